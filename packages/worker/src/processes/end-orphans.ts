import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { ProcessTable } from "./process-table.ts";
import { ProcessTree } from "./process-tree.ts";

/** Those that are there after this are waiting for a device; the worker starts without having ended them. */
const KILL_WAIT_MS = 5_000;
const POLL_MS = 25;

export interface OrphansEnd {
  /** Processes that were killed. */
  readonly endedCount: number;
  /** Names of the attempts that still have processes. */
  readonly left: readonly string[];
}

/**
 * Kills every process of the attempts with these names, which a worker that was killed itself could not end. Nobody waits
 * for their results any more, so they get no grace.
 */
export async function endOrphans(attemptNames: readonly string[]): Promise<OrphansEnd> {
  const table = new ProcessTable({ isOlderIncluded: true });
  const trees = attemptNames.map(
    (attemptName) =>
      new ProcessTree({ table, leaderPid: undefined, attemptName, group: undefined }),
  );
  const endsAt = performance.now() + KILL_WAIT_MS;
  let endedCount = 0;
  for (;;) {
    const counts = await Promise.all(trees.map((tree) => tree.kill()));
    const left = attemptNames.filter((_, index) => (counts[index] ?? 0) > 0);
    if (left.length === 0 || performance.now() >= endsAt) return { endedCount, left };
    endedCount += counts.reduce((sum, count) => sum + count, 0);
    await delay(POLL_MS);
  }
}
