import { timestampDate } from "@hodei/sdk";
import { formatDuration } from "../values/duration.ts";

/** A timestamp of the contract. */
export type Timestamp = Parameters<typeof timestampDate>[0];

/** Time since `timestamp`; nothing without one. */
export function age(timestamp: Timestamp | undefined, now: Date): string {
  if (timestamp === undefined) return "";
  const ageMs = Math.max(0, now.getTime() - timestampDate(timestamp).getTime());
  return ageMs < 1_000 ? "0s" : formatDuration(Math.floor(ageMs / 1_000) * 1_000);
}

/** `timestamp` in ISO 8601 with milliseconds, UTC. */
export function instant(timestamp: Timestamp | undefined): string | undefined {
  return timestamp === undefined ? undefined : timestampDate(timestamp).toISOString();
}
