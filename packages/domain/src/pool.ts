import type { WorkerId } from "./ids.ts";
import type { PlacementTerms } from "./job-spec.ts";
import type { Host } from "./scheduler/host.ts";
import { type Candidate, type PlanTerms, planPlacements } from "./scheduler/plan.ts";
import { NO_RECORD } from "./scheduler/track-record.ts";
import { type Capacity, type Worker, withPoolLabels } from "./worker.ts";

/** Workers made from one template by one provider, with a size policy. */
export interface Pool {
  readonly name: string;
  readonly provider: string;
  readonly minWorkers: number;
  readonly maxWorkers: number;
  /** Connected workers without attempts to keep ready for what comes next, within `maxWorkers`. */
  readonly warmWorkers: number;
  /** A worker without attempts for this long leaves, if `minWorkers` and `warmWorkers` stay. `null`: none does. */
  readonly idleTimeoutMs: number | null;
  /** A worker of this age leaves when its attempts have ended. `null`: none does. */
  readonly lifetimeMs: number | null;
  /** A worker leaves after its first attempt, so no job finds what another left. */
  readonly oneJob: boolean;
  /** New workers within any minute, however much waits. */
  readonly maxStartsPerMinute: number;
  readonly template: WorkerTemplate;
}

/** What a worker of the pool will be, known before it exists. */
export interface WorkerTemplate {
  readonly arch: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly capacity: Capacity;
}

export interface PoolDemand {
  /** Workers of the pool that are wanted and not gone: booting, ready or draining. */
  readonly liveCount: number;
  /** Of those, still booting: they will take waiting jobs. */
  readonly bootingCount: number;
  /** Of those, ready and without attempts. */
  readonly idleCount: number;
  /** Workers that were made within the last minute. */
  readonly recentStartCount: number;
  /** Jobs that no connected worker can take now. */
  readonly unplaceable: readonly Candidate[];
}

/** Few workers are wanted, and none is kept free: each job that fits one is a reason to make it. */
const FILL: PlanTerms = {
  policy: "bin_pack",
  now: new Date(0),
  reserveAfterMs: null,
  explainedId: null,
  limits: null,
  fairShare: null,
  preemption: null,
};

/** A job's own policy says which of the workers that are there it prefers, and not how many there are to be. */
const ANY_WORKER: PlacementTerms = { preferences: [], policy: null };

/**
 * How many workers to provision now: up to `minWorkers`, as many as the unplaceable jobs would fill and `warmWorkers`
 * beyond them, less those that are booting already; never beyond `maxWorkers` or `maxStartsPerMinute`. Jobs that do not
 * fit the template cause none.
 */
export function provisionCount(pool: Pool, demand: PoolDemand): number {
  const room = Math.max(0, pool.maxWorkers - demand.liveCount);
  const starts = Math.max(0, pool.maxStartsPerMinute - demand.recentStartCount);
  const missing = Math.max(0, pool.minWorkers - demand.liveCount);
  const spare = Math.max(0, pool.warmWorkers - demand.idleCount);
  const imagined = Array.from({ length: demand.bootingCount + room }, (_, index) =>
    imaginedHost(pool, index),
  );
  const unplaceable = demand.unplaceable.map((job) => ({ ...job, placement: ANY_WORKER }));
  const { placements } = planPlacements(unplaceable, imagined, FILL);
  const used = new Set(placements.map(({ workerId }) => workerId)).size;
  return Math.min(room, starts, Math.max(missing, used + spare - demand.bootingCount));
}

/** Workers that `pools` are making, or may still make beside those that they have, as they will be: one for each pool. */
export function comingHosts(
  pools: readonly Pool[],
  workers: readonly Pick<Worker, "pool" | "provider" | "connectedAt">[],
): readonly Host[] {
  return pools.flatMap((pool, index) => {
    const own = workers.filter(
      (worker) => worker.pool === pool.name && worker.provider === pool.provider,
    );
    const isComing =
      own.length < pool.maxWorkers || own.some(({ connectedAt }) => connectedAt === null);
    return isComing ? [imaginedHost(pool, index)] : [];
  });
}

function imaginedHost({ name, provider, template }: Pool, index: number): Host {
  return {
    workerId: `imagined-${index}` as WorkerId,
    state: "ready",
    tenantId: null,
    pool: "imagined",
    poolPolicy: null,
    arch: template.arch,
    labels: withPoolLabels({ pool: name, provider }, template.labels),
    taints: [],
    gpuModel: "",
    capacity: template.capacity,
    free: template.capacity,
    turn: 0,
    track: NO_RECORD,
    before: null,
  };
}
