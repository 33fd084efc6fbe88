import type { AttemptLog } from "./attempt-log.ts";

/** When a batch of log is sent: whichever comes first. */
export interface BatchLimits {
  /** Segments of a batch, at most; as many waiting make it due. */
  readonly segmentCount: number;
  /** Bytes of a batch, at most; as many waiting make it due. */
  readonly sizeBytes: number;
  /** Between two batches that are not full. */
  readonly intervalMs: number;
}

/**
 * Earliest instant (monotonic ms) at which the next batch of `log` may be sent; `Infinity` when there is none.
 *
 * Full batches go at once. Others wait until `intervalMs` after the one before, so the first bytes after a pause go at
 * once too: a person sees the first line without delay, and a thousand lines make few messages. `isEnded`: nothing will
 * be added, so nothing is waited for.
 */
export function batchDueAtMs(
  log: Pick<AttemptLog, "unsentBytes" | "unsentSegments">,
  limits: BatchLimits,
  { lastSentAtMs, isEnded }: { lastSentAtMs: number; isEnded: boolean },
): number {
  if (log.unsentBytes === 0) return Number.POSITIVE_INFINITY;
  const isFull = log.unsentBytes >= limits.sizeBytes || log.unsentSegments >= limits.segmentCount;
  return isFull || isEnded ? Number.NEGATIVE_INFINITY : lastSentAtMs + limits.intervalMs;
}
