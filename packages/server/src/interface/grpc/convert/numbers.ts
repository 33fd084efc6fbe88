import { PlatformError } from "@hodei/domain";

/** A count or a size that is known to be a whole number ≥ 0, as uint64. */
export function toProtoUint64(value: number): bigint {
  return BigInt(value);
}

/**
 * A uint64 as a number.
 * @throws PlatformError `invalid_argument` naming `field` if it is above 2^53 - 1, where numbers stop being exact
 */
export function fromProtoUint64(field: string, value: bigint): number {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw new PlatformError(
    "invalid_argument",
    "number_too_large",
    `${field}: ${value} is above ${Number.MAX_SAFE_INTEGER}`,
  );
}
