import type { FaultChoice } from "./fault-plan.ts";
import type { Mix } from "./job-plan.ts";
import { makePlan, type Plan } from "./plan.ts";

/** The bad days of a worker. The first are those that a short run must have. */
const MIX: Mix = [
  ["flood", 8],
  ["secrets", 14],
  ["ignores-sigterm", 5],
  ["fork-bomb", 2],
  ["blob", 3],
  ["double-fork", 7],
  ["memory-hog", 3],
  ["stopped-tree", 5],
  ["binary", 8],
  ["daemon-holds-output", 5],
  ["no-environment", 5],
  ["empty-lines", 4],
  ["closes-output", 4],
  ["nohup", 7],
  ["lines", 20],
];

const WORKERS = ["worker-0", "worker-1", "worker-2"];
const LINKS = WORKERS.map((name) => `link:${name}`);

// biome-ignore format: a table reads better in columns
const FAULTS: readonly FaultChoice[] = [
  { kind: "worker-kill", targets: [...WORKERS, "local-workers"], weight: 4, minMs: 200, maxMs: 4_000 },
  { kind: "worker-stop", targets: WORKERS, weight: 3, minMs: 1_000, maxMs: 30_000 },
  { kind: "link-cut", targets: LINKS, weight: 2, minMs: 0, maxMs: 0 },
  { kind: "link-refuse", targets: LINKS, weight: 2, minMs: 500, maxMs: 15_000 },
  { kind: "link-stall", targets: LINKS, weight: 2, minMs: 500, maxMs: 30_000 },
  { kind: "link-swallow", targets: LINKS, weight: 2, minMs: 500, maxMs: 20_000 },
  { kind: "link-trickle", targets: LINKS, weight: 2, minMs: 1_000, maxMs: 30_000 },
  { kind: "server-kill", targets: ["server-0"], weight: 3, minMs: 100, maxMs: 4_000 },
];

/** Jobs that are hard to end and to listen to, on workers whose processes and networks fail. */
export function makeWorkerPlan({ seed, durationMs }: Pick<Plan, "seed" | "durationMs">): Plan {
  return makePlan({
    seed,
    durationMs,
    mix: MIX,
    jobIntervalMs: 800,
    burstIntervalMs: 60_000,
    faults: { choices: FAULTS, intervalMs: 5_000 },
  });
}
