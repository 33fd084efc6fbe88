import { create } from "@bufbuild/protobuf";
import { type DeadLetterKey, PlatformError, type UndeliveredEvent } from "@hodei/domain";
import {
  type DeadLetterChoice,
  DeadLetterSchema,
  type DeadLetter as ProtoDeadLetter,
} from "@hodei/proto/hodei/v1/event_service";
import { toProtoEvent } from "./event.ts";
import { toProtoTime } from "./times.ts";

export function toProtoDeadLetter(undelivered: UndeliveredEvent): ProtoDeadLetter {
  const { subscription, event, error, failures, deadAt } = undelivered;
  return create(DeadLetterSchema, {
    key: { subscription, cursor: event.cursor },
    event: toProtoEvent(event),
    error,
    failures,
    ...(deadAt !== null && { deadAt: toProtoTime(deadAt) }),
  });
}

/** The keys that were chosen; `null`: all. @throws PlatformError `invalid_argument` if nothing was chosen */
export function fromProtoDeadLetterChoice(
  choice: DeadLetterChoice | undefined,
): readonly DeadLetterKey[] | null {
  if (choice?.all) return null;
  if (choice !== undefined) {
    return choice.keys.map(({ subscription, cursor }) => ({ subscription, cursor }));
  }
  throw new PlatformError("invalid_argument", "invalid_request", "give keys, or all");
}
