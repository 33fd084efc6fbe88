import {
  type DescMessage,
  type JsonValue,
  type MessageInitShape,
  type MessageShape,
  toJson,
} from "@bufbuild/protobuf";
import type { JobSchema, JobSpecSchema } from "@hodei/proto/hodei/v1/job";

/** A job spec as a caller writes it: every field may be left out. */
export type JobSpecInit = MessageInitShape<typeof JobSpecSchema>;

/** A job as a test writes it: every field may be left out. */
export type JobInit = Omit<MessageInitShape<typeof JobSchema>, "$typeName" | "$unknown">;

/**
 * A message as plain JSON by the rules of Protobuf: names in lowerCamelCase, enums by their names, 64-bit numbers as
 * strings, bytes as base64. Fields with their zero value are there too, so that a reader finds every name.
 */
export function messageToJson<Schema extends DescMessage>(
  schema: Schema,
  message: MessageShape<Schema>,
): JsonValue {
  return toJson(schema, message, { alwaysEmitImplicit: true });
}
