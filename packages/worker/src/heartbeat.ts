import type { WorkerClock } from "./clock.ts";

/** Bounds of what a server may ask for, so that a wrong number neither floods it nor makes the worker look dead. */
const MIN_INTERVAL_MS = 100;
const MAX_INTERVAL_MS = 60_000;

/** Calls `beat` every `intervalMs`, held within [100 ms, 60 s], on a timer of its own; the result ends that. */
export function startHeartbeat(
  clock: WorkerClock,
  intervalMs: number,
  beat: () => void,
): () => void {
  const everyMs = Math.min(MAX_INTERVAL_MS, Math.max(MIN_INTERVAL_MS, intervalMs));
  let cancel = clock.startTimer(everyMs, tick);
  function tick(): void {
    cancel = clock.startTimer(everyMs, tick);
    beat();
  }
  return () => cancel();
}
