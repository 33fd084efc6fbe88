import {
  type Duration,
  durationFromMs,
  type Timestamp,
  timestampFromDate,
} from "@bufbuild/protobuf/wkt";
import { PlatformError } from "@hodei/domain";

/** What Timestamp can say: years 1 to 9999. Source: google/protobuf/timestamp.proto. */
const MIN_SECONDS = -62_135_596_800n;
const MAX_SECONDS = 253_402_300_799n;
/** What Duration can say: about 10,000 years. Source: google/protobuf/duration.proto. */
const MAX_DURATION_SECONDS = 315_576_000_000n;
const MAX_NANOS = 999_999_999;

export function toProtoTime(at: Date): Timestamp {
  return timestampFromDate(at);
}

/** `null` becomes an unset field. */
export function toProtoOptionalTime(at: Date | null): Timestamp | undefined {
  return at === null ? undefined : timestampFromDate(at);
}

/**
 * The instant, cut to whole milliseconds.
 * @throws PlatformError `invalid_argument` naming `field` if it lies outside the years 1 to 9999 or has odd nanos
 */
export function fromProtoTime(field: string, { seconds, nanos }: Timestamp): Date {
  const valid =
    seconds >= MIN_SECONDS && seconds <= MAX_SECONDS && nanos >= 0 && nanos <= MAX_NANOS;
  if (!valid) throw outOfRange(field, "is no instant between the years 1 and 9999");
  return new Date(Number(seconds) * 1000 + Math.floor(nanos / 1_000_000));
}

export function toProtoDuration(ms: number): Duration {
  return durationFromMs(ms);
}

/** `null` becomes an unset field. */
export function toProtoOptionalDuration(ms: number | null): Duration | undefined {
  return ms === null ? undefined : durationFromMs(ms);
}

/**
 * The time span in milliseconds, rounded up so that a short one does not become none.
 * @throws PlatformError `invalid_argument` naming `field` if it is negative or beyond what Duration can say
 */
export function fromProtoDuration(field: string, { seconds, nanos }: Duration): number {
  const valid =
    seconds >= 0n && seconds <= MAX_DURATION_SECONDS && nanos >= 0 && nanos <= MAX_NANOS;
  if (!valid) throw outOfRange(field, "is no time span of 0 s to 10,000 years");
  return Number(seconds) * 1000 + Math.ceil(nanos / 1_000_000);
}

function outOfRange(field: string, what: string): PlatformError {
  return new PlatformError("invalid_argument", "time_out_of_range", `${field}: ${what}`);
}
