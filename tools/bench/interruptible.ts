import { constants } from "node:os";

/** Runs `work` until it is done or the user stops it. Resolves to the exit code. */
export async function runInterruptible(
  work: (signal: AbortSignal) => Promise<void>,
): Promise<number> {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => stop.abort(name));
  }
  try {
    await work(stop.signal);
    return 0;
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    console.error("bench: stopped; everything it started has ended");
    return 128 + constants.signals[stop.signal.reason as NodeJS.Signals];
  }
}
