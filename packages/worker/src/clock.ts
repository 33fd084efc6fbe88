import { performance } from "node:perf_hooks";
import type { Clock, StopSignal } from "@hodei/domain";

/** Time as the worker sees it; virtual in tests. */
export interface WorkerClock extends Clock {
  /** Milliseconds since an arbitrary instant; never goes back, whatever happens to the wall clock. */
  monotonicMs(): number;
  /** Calls `fire` once after `delayMs`, at the latest after 24 days; the result cancels it. */
  startTimer(delayMs: number, fire: () => void): () => void;
}

/** Node's timers keep a signed 32-bit count of milliseconds; a longer delay would fire at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** The machine's clocks. */
export const systemClock: WorkerClock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  sleep,
  startTimer(delayMs, fire) {
    const timer = setTimeout(fire, Math.min(delayMs, TIMER_MAX_MS));
    return () => clearTimeout(timer);
  },
};

function sleep(ms: number, signal?: StopSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const finish = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, Math.min(ms, TIMER_MAX_MS));
    signal?.addEventListener("abort", finish, { once: true });
  });
}

/**
 * Calls `fire` once after `delayMs`, however long that is; the result cancels it. Counts monotonic time, so that a
 * change of the wall clock neither cuts nor stretches it.
 */
export function startDeadline(clock: WorkerClock, delayMs: number, fire: () => void): () => void {
  const endMs = clock.monotonicMs() + delayMs;
  let cancel = clock.startTimer(delayMs, check);
  function check(): void {
    const leftMs = endMs - clock.monotonicMs();
    if (leftMs <= 0) fire();
    else cancel = clock.startTimer(leftMs, check);
  }
  return () => cancel();
}
