import { isMessage, type Message } from "@bufbuild/protobuf";
import { PlatformError } from "@hodei/domain";
import type { JobSpec } from "@hodei/proto/hodei/v1/job";

export interface UnsupportedField {
  /** Path within the spec, as the contract spells it. */
  readonly field: string;
  isSet(spec: JobSpec): boolean;
}

/** Parts of a spec that this server cannot act on. To support one is to convert it and to take it out here. */
export const UNSUPPORTED_FIELDS: readonly UnsupportedField[] = [
  { field: "container", isSet: ({ work }) => work.case === "container" },
  { field: "budget", isSet: ({ budget }) => budget !== undefined },
  { field: "retention.logs", isSet: ({ retention }) => retention?.logs !== undefined },
];

/**
 * Refuses what would otherwise be ignored: fields that are known but not acted on, and fields of a newer contract.
 * @throws PlatformError `unimplemented` naming all of them
 */
export function refuseUnsupportedFields(spec: JobSpec): void {
  const fields = [
    ...UNSUPPORTED_FIELDS.filter(({ isSet }) => isSet(spec)).map(({ field }) => field),
    ...unknownFields(spec),
  ];
  if (fields.length === 0) return;
  throw new PlatformError(
    "unimplemented",
    "unsupported_field",
    `this server cannot act on ${fields.map((field) => `spec.${field}`).join(", ")} yet; leave it out`,
  );
}

/** Fields that came over the wire with numbers that our contract does not have, in `message` and all below it. */
function unknownFields(message: Message): string[] {
  const own = (message.$unknown ?? []).map(({ no }) => `field ${no} of ${message.$typeName}`);
  return [...own, ...messagesIn(message).flatMap(unknownFields)];
}

/** Messages directly within `message`: as fields, in lists, and as the chosen member of a oneof. */
function messagesIn(message: Message): Message[] {
  return Object.values(message).flatMap((value: unknown): Message[] => {
    if (isMessage(value)) return [value];
    if (Array.isArray(value)) return value.filter((item): item is Message => isMessage(item));
    const chosen = (value as { value?: unknown } | undefined)?.value;
    return isMessage(chosen) ? [chosen] : [];
  });
}
