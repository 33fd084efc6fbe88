import type { FaultChoice } from "./fault-plan.ts";
import type { Mix } from "./job-plan.ts";
import { makePlan, type Plan } from "./plan.ts";

/** Mostly ordinary work: here the servers have the bad day. */
const MIX: Mix = [
  ["lines", 40],
  ["secrets", 8],
  ["ignores-sigterm", 5],
  ["double-fork", 5],
  ["binary", 6],
  ["closes-output", 4],
  ["stopped-tree", 3],
  ["flood", 2],
];

const SERVERS = ["server-0", "server-1", "server-2"];
const WORKERS = ["worker-0", "worker-1", "worker-2"];
const DATABASE = ["database"];
const DATABASE_LINKS = ["link:database-0", "link:database-1", "link:database-2"];
const LINKS = [...DATABASE_LINKS, ...WORKERS.map((name) => `link:${name}`)];

// biome-ignore format: a table reads better in columns
const FAULTS: readonly FaultChoice[] = [
  { kind: "server-kill", targets: SERVERS, weight: 5, minMs: 200, maxMs: 6_000 },
  { kind: "server-stop", targets: SERVERS, weight: 4, minMs: 1_000, maxMs: 20_000 },
  { kind: "database-restart", targets: DATABASE, weight: 2, minMs: 100, maxMs: 4_000 },
  { kind: "database-kill", targets: DATABASE, weight: 1, minMs: 0, maxMs: 0 },
  { kind: "backends-kill", targets: DATABASE, weight: 3, minMs: 0, maxMs: 0 },
  { kind: "link-cut", targets: LINKS, weight: 3, minMs: 0, maxMs: 0 },
  { kind: "link-refuse", targets: LINKS, weight: 2, minMs: 500, maxMs: 15_000 },
  { kind: "link-stall", targets: LINKS, weight: 2, minMs: 500, maxMs: 15_000 },
  { kind: "link-swallow", targets: LINKS, weight: 2, minMs: 500, maxMs: 15_000 },
  { kind: "worker-kill", targets: WORKERS, weight: 1, minMs: 200, maxMs: 4_000 },
];

/** Many jobs on several servers, whose processes, database and networks fail. */
export function makeControlPlan({ seed, durationMs }: Pick<Plan, "seed" | "durationMs">): Plan {
  return makePlan({
    seed,
    durationMs,
    mix: MIX,
    jobIntervalMs: 500,
    burstIntervalMs: 45_000,
    faults: { choices: FAULTS, intervalMs: 4_000 },
  });
}
