import {
  bootFailures,
  DEFAULT_PLACEMENT_POLICY,
  EXIT_REASONS,
  type Host,
  type Job,
  type JobId,
  needOf,
  rejection,
  scoreOf,
  type WaitReason,
  type Worker,
  type WorkerId,
  waitReasons,
} from "@hodei/domain";
import type { Deps } from "./deps.ts";
import { findOwnJob } from "./get-job.ts";
import { readHosts } from "./hosts.ts";
import type { Principal } from "./principal.ts";
import { NEWEST_COUNT } from "./provision-workers.ts";

/** Why a job waits: a scheduler's reason, or one that lies outside of the workers. */
export type ExplainReason = Omit<WaitReason, "code"> & {
  readonly code:
    | WaitReason["code"]
    | "not_before"
    | "retry_delay"
    | "booting"
    | "boot_failures"
    | "pool_full"
    | "next_turn";
};

export interface Explanation {
  readonly job: Job;
  /** One sentence for people. */
  readonly summary: string;
  /** Empty unless the job is pending. */
  readonly reasons: readonly ExplainReason[];
  /** How the job would score on each feasible worker now, best first. Empty once it has ended. */
  readonly scores: readonly { readonly workerId: WorkerId; readonly score: number }[];
}

type ExplainDeps = Pick<Deps, "database" | "clock" | "sessions" | "pools">;

/** Why a job waits, or where it is and how it ended. @throws PlatformError `not_found` */
export async function explainJob(
  deps: ExplainDeps,
  principal: Principal,
  id: JobId,
): Promise<Explanation> {
  const job = await findOwnJob(deps, principal, id);
  if (job.outcome !== null) {
    const { message, reason } = job.outcome;
    const why = message.replace(/\.$/, "");
    const what = `${job.state} (${reason})${why === "" ? "" : `: ${why}`}.`;
    return { job, summary: `${what} ${EXIT_REASONS[reason].action}`, reasons: [], scores: [] };
  }
  const { readers } = deps.database;
  const hosts = await readHosts({ readers, sessions: deps.sessions });
  const scores = scoresOf(job, hosts);
  if (job.state !== "pending") return { job, summary: placedSummary(job), reasons: [], scores };
  const reasons = await pendingReasons(deps, job, hosts);
  const summary = `Waits: ${reasons.map(({ message }) => message).join("; ")}.`;
  return { job, summary, reasons, scores };
}

function placedSummary({ state, lease, attempt, cancelRequest }: Job): string {
  const where = `Attempt ${attempt} is ${state} on worker ${lease?.workerId}`;
  return cancelRequest === null ? `${where}.` : `${where}; its cancel was asked for.`;
}

function scoresOf(job: Job, hosts: readonly Host[]): Explanation["scores"] {
  const need = needOf(job);
  return hosts
    .filter((host) => rejection(host, need) === undefined)
    .map((host) => ({
      workerId: host.workerId,
      score: scoreOf(DEFAULT_PLACEMENT_POLICY, host, need),
    }))
    .toSorted((a, b) => b.score - a.score);
}

async function pendingReasons(
  deps: ExplainDeps,
  job: Job,
  hosts: readonly Host[],
): Promise<readonly ExplainReason[]> {
  if (job.runAt > deps.clock.now()) return [delayReason(job)];
  const need = needOf(job);
  if (hosts.some((host) => rejection(host, need) === undefined)) {
    const message = "a worker is free for it; it is placed in order of priority and age";
    return [{ code: "next_turn", message, workerCount: 0 }];
  }
  const workers = await deps.database.readers.workers.listLive();
  return [...waitReasons(need, hosts), ...(await poolReasons(deps, workers))];
}

function delayReason({ runAt, startedAttempts }: Job): ExplainReason {
  const until = runAt.toISOString();
  return startedAttempts === 0
    ? { code: "not_before", message: `its spec says not before ${until}`, workerCount: 0 }
    : { code: "retry_delay", message: `the next attempt is due at ${until}`, workerCount: 0 };
}

/** What keeps each pool from making another worker now. */
async function poolReasons(
  { pools, database }: ExplainDeps,
  workers: readonly Worker[],
): Promise<readonly ExplainReason[]> {
  const reasons = pools.map(async ({ pool }): Promise<ExplainReason[]> => {
    const own = workers.filter((worker) => worker.pool === pool.name);
    const booting = own.filter(({ connectedAt }) => connectedAt === null).length;
    if (booting > 0) {
      const message = `${booting} workers of pool ${pool.name} are starting`;
      return [{ code: "booting", message, workerCount: booting }];
    }
    if (own.length >= pool.maxWorkers) {
      const message = `pool ${pool.name} has its maximum of ${pool.maxWorkers} workers`;
      return [{ code: "pool_full", message, workerCount: own.length }];
    }
    const failures = bootFailures(await database.readers.workers.listNewest(pool, NEWEST_COUNT));
    if (failures === undefined) return [];
    const { count, retryAt } = failures;
    const message = `the last ${count} workers of pool ${pool.name} did not come up; the next is made at ${retryAt.toISOString()}`;
    return [{ code: "boot_failures", message, workerCount: 0 }];
  });
  return (await Promise.all(reasons)).flat();
}
