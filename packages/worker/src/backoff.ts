import type { Random } from "@hodei/domain";

/** Upper bound of the first delay. */
const FIRST_DELAY_MAX_MS = 1_000;
/** Upper bound of every delay. */
const DELAY_MAX_MS = 60_000;

/**
 * Delay before the next connection in milliseconds, after `failures` (0 or more) in a row.
 *
 * Uniform in [0, min(60 s, 1 s * 2^failures)), so that workers that lost one server do not come back together: a
 * server does about 150 handshakes a second on a core.
 * Source: "Exponential Backoff And Jitter" (full jitter), AWS Architecture Blog, 2015.
 */
export function reconnectDelayMs(failures: number, random: Random): number {
  return random() * Math.min(DELAY_MAX_MS, FIRST_DELAY_MAX_MS * 2 ** failures);
}
