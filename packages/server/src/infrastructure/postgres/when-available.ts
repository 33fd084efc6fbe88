import { setTimeout as delay } from "node:timers/promises";
import { isPlatformError, PlatformError } from "@hodei/domain";

const FIRST_PAUSE_MS = 100;
const PAUSE_MAX_MS = 5_000;

export interface AvailabilityOptions {
  /** From now; beyond it the last failure is the caller's. */
  readonly limitMs: number;
  /** Told of each failed try, and how long it is until the next. */
  readonly onUnavailable: (error: PlatformError, nextTryInMs: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Does `work`, again and again while it fails as `unavailable`, with pauses of up to 5 s.
 * @throws PlatformError at once if it fails otherwise; `cancelled` after `signal`
 */
export async function whenAvailable<T>(
  { limitMs, onUnavailable, signal }: AvailabilityOptions,
  work: () => Promise<T>,
): Promise<T> {
  const endsAtMs = performance.now() + limitMs;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(PAUSE_MAX_MS, pauseMs * 2)) {
    if (signal.aborted) throw stopped();
    try {
      return await work();
    } catch (error) {
      const leftMs = endsAtMs - performance.now();
      if (!isPlatformError(error, "unavailable") || leftMs <= 0) throw error;
      const nextTryInMs = Math.round(Math.min(pauseMs, leftMs));
      onUnavailable(error, nextTryInMs);
      await delay(nextTryInMs, undefined, { signal }).catch(() => {
        throw stopped();
      });
    }
  }
}

function stopped(): PlatformError {
  return new PlatformError("cancelled", "stopped", "stopped before the database could be used");
}
