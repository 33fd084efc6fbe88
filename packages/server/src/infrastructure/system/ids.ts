import { randomBytes, randomUUID } from "node:crypto";
import type { Ids, LeaseToken } from "@hodei/domain";

/** Ids of one millisecond that the counter can tell apart; the next one takes the following millisecond. */
const COUNTER_COUNT = 4_096;

/**
 * UUIDs of version 7 in ascending order: 48 bits of Unix milliseconds, a 12-bit counter, 62 random bits. Ids of one
 * process sort as they were made, also within a millisecond and when the clock is set back, so jobs of one batch keep
 * their order. Source: RFC 9562, sections 5.7 and 6.2 (method 1).
 */
export function timeOrderedIds(now: () => number = Date.now): Ids {
  let lastMs = 0;
  let counter = 0;
  return {
    next() {
      const nowMs = now();
      counter = nowMs > lastMs ? 0 : counter + 1;
      lastMs = Math.max(nowMs, lastMs);
      if (counter === COUNTER_COUNT) {
        lastMs += 1;
        counter = 0;
      }
      return toUuid(lastMs, counter);
    },
  };
}

function toUuid(unixMs: number, counter: number): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(unixMs, 0, 6);
  bytes.writeUInt16BE(0x7000 | counter, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString("hex");
  const parts = [
    [0, 8],
    [8, 12],
    [12, 16],
    [16, 20],
    [20, 32],
  ] as const;
  return parts.map(([start, end]) => hex.slice(start, end)).join("-");
}

/** 122 random bits. */
export const randomLeaseToken = (): LeaseToken => randomUUID() as LeaseToken;
