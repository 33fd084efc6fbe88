import {
  applyWorkerEvent,
  dueSince,
  type Host,
  hold,
  type Job,
  type JobChange,
  type Lease,
  needOf,
  type Placement,
  planPlacements,
  rejection,
  type Stores,
  type Worker,
  type WorkerEvent,
  type WorkerId,
} from "@hodei/domain";
import { assignAttempt, type HeldJob } from "./attempts.ts";
import type { Deps } from "./deps.ts";
import { sendAssignments } from "./dispatch-assignments.ts";
import { readHosts, toHosts } from "./hosts.ts";
import { planTerms } from "./plan-terms.ts";

/** Placements that one transaction stores. */
const PLACEMENTS_PER_TRANSACTION = 100;

type ScheduleDeps = Pick<
  Deps,
  | "database"
  | "dueJobs"
  | "clock"
  | "newLeaseToken"
  | "sessions"
  | "settings"
  | "pools"
  | "activity"
  | "signals"
  | "statistics"
  | "log"
>;

/** One scheduling turn: places what is due on what is free. Returns when the next job falls due. */
export async function scheduleJobs(deps: ScheduleDeps): Promise<Date | undefined> {
  const { readers } = deps.database;
  const now = deps.clock.now();
  const { candidates, nextDueAt } = await deps.dueJobs.list(now);
  deps.statistics.noteSeen(
    candidates.map((job) => ({ jobId: job.jobId, dueSince: dueSince(job) })),
    { turnAt: now, now: deps.clock.now() },
  );
  const hosts =
    candidates.length === 0 ? [] : await readHosts({ readers, sessions: deps.sessions });
  // Without a worker nothing is planned, however much waits.
  const placements =
    hosts.length === 0
      ? []
      : planPlacements(candidates, hosts, planTerms(deps.settings, now)).placements;
  for (let start = 0; start < placements.length; start += PLACEMENTS_PER_TRANSACTION) {
    const some = placements.slice(start, start + PLACEMENTS_PER_TRANSACTION);
    deps.activity.note(
      some.map(({ workerId }) => workerId),
      now,
    );
    const assigned = await assign(deps, some);
    if (assigned.length < some.length) deps.dueJobs.forget();
    await sendAssignments(deps, assigned);
  }
  return nextDueAt ?? undefined;
}

/**
 * Stores the placements that still hold, and returns what came of them: the job is as it was planned, and fits its worker
 * as that is now, whatever another replica that took itself for the leader, or a reaper, did meanwhile. The others are
 * planned anew next turn.
 */
function assign(deps: ScheduleDeps, placements: readonly Placement[]): Promise<readonly HeldJob[]> {
  const workerIds = [...new Set(placements.map(({ workerId }) => workerId))];
  const jobIds = placements.map(({ jobId }) => jobId);
  return deps.database.transact(async (stores) => {
    // Sent together. The database takes one after another: the workers are held when it looks at what they have.
    const [workers, heldJobs, jobs] = await Promise.all([
      stores.workers.lockAll(workerIds),
      stores.jobs.listOfWorkers(workerIds),
      stores.jobs.lockAll(jobIds),
    ]);
    const oneJob = oneJobWorkers(deps, workers);
    const hosts = new Map(
      toHosts(workers, heldJobs, deps.sessions)
        .map((host) => (oneJob.has(host.workerId) ? forOneMore(host) : host))
        .map((host) => [host.workerId, host]),
    );
    const jobsById = new Map(jobs.map((job) => [job.id, job]));
    const changes: JobChange[] = [];
    for (const { jobId, version, workerId } of placements) {
      const job = jobsById.get(jobId);
      const host = hosts.get(workerId);
      if (job?.version !== version || host === undefined) continue;
      if (rejection(host, needOf(job)) !== undefined) continue;
      changes.push(toChange(deps, job, host.workerId));
      hosts.set(workerId, hold(host, job.policy.requirements));
    }
    const assigned = await stores.jobs.updateAll(changes);
    for (const { lease } of assigned) {
      const worker = oneJob.get(lease?.workerId);
      if (worker !== undefined) await retire(deps, stores, worker);
    }
    return assigned.flatMap((job, index) => {
      const change = changes[index];
      return change === undefined ? [] : [{ job, attempt: change.attempt }];
    });
  });
}

/** Those of `workers` that are to run one job. */
function oneJobWorkers(
  { pools }: Pick<Deps, "pools">,
  workers: readonly Worker[],
): ReadonlyMap<WorkerId | undefined, Worker> {
  const own = workers.filter((worker) =>
    pools.some(
      ({ pool }) => pool.oneJob && pool.name === worker.pool && pool.provider === worker.provider,
    ),
  );
  return new Map(own.map((worker) => [worker.id, worker]));
}

/** `host` with room for one more attempt, if it has any. */
function forOneMore(host: Host): Host {
  return { ...host, free: { ...host.free, attemptCount: Math.min(1, host.free.attemptCount) } };
}

/** It has got its job, and gets no other, whatever becomes of this one. */
async function retire(
  { clock }: Pick<Deps, "clock">,
  { workers }: Pick<Stores, "workers">,
  worker: Worker,
): Promise<void> {
  const by = `pool ${worker.pool}: it runs one job`;
  const event: WorkerEvent = { type: "drain_requested", at: clock.now(), by };
  await workers.update(applyWorkerEvent(worker, event), [event]);
}

function toChange(deps: ScheduleDeps, job: Job, workerId: Lease["workerId"]): JobChange {
  const at = deps.clock.now();
  const acknowledgeBy = new Date(at.getTime() + deps.settings.acknowledgeTimeoutMs);
  return assignAttempt(job, { token: deps.newLeaseToken(), workerId, acknowledgeBy }, at);
}
