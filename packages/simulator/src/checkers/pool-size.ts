import type { FinishedRun, Violation } from "../finished-run.ts";

/** A pool never has more machines than it may. */
export function checkPoolSize({ history, scenario }: FinishedRun): Violation[] {
  const { name, maxWorkers } = scenario.pool;
  return history.poolSizes
    .filter(({ pool, count }) => pool === name && count > maxWorkers)
    .map(({ atMs, count }) => ({
      promise: "pool-size",
      message: `${count} machines at ${atMs} ms in a pool of at most ${maxWorkers}`,
      subject: null,
    }));
}
