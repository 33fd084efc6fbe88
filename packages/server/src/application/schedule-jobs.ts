import {
  applyWorkerEvent,
  dueSince,
  type Host,
  hold,
  type Job,
  type JobChange,
  type JobId,
  type JobSpec,
  type Lease,
  type Limited,
  type LimitLedger,
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
import { readFairShare } from "./fair-share.ts";
import { toHosts } from "./hosts.ts";
import { limitLocks, limitsOf, readLedger } from "./limits.ts";
import { planTerms } from "./plan-terms.ts";
import { preemptJobs } from "./preempt-jobs.ts";
import { supersedeJobs } from "./supersede-jobs.ts";

/** Placements that one transaction stores. */
const PLACEMENTS_PER_TRANSACTION = 100;

type ScheduleDeps = Pick<
  Deps,
  | "database"
  | "dueJobs"
  | "cluster"
  | "clock"
  | "newLeaseToken"
  | "sessions"
  | "settings"
  | "pools"
  | "activity"
  | "workerHistory"
  | "signals"
  | "statistics"
  | "log"
>;

/** One scheduling turn: places what is due on what is free. Returns when the next job falls due. */
export async function scheduleJobs(deps: ScheduleDeps): Promise<Date | undefined> {
  const { readers } = deps.database;
  const now = deps.clock.now();
  const [{ candidates, nextDueAt }] = await Promise.all([
    deps.dueJobs.list(now),
    deps.cluster.catchUp(now),
  ]);
  deps.statistics.noteSeen(
    candidates.map((job) => ({ jobId: job.jobId, dueSince: dueSince(job) })),
    { turnAt: now, now: deps.clock.now() },
  );
  if (candidates.length === 0) return nextDueAt ?? undefined;
  const cluster = await deps.cluster.read(now);
  // Without a worker nothing is planned, however much waits.
  if (cluster.hosts.length === 0) return nextDueAt ?? undefined;
  deps.activity.keep(new Set(cluster.hosts.map(({ workerId }) => workerId)));
  const limits = await readLedger(deps, readers.limits, candidates);
  const { held } = cluster;
  const fairShare = await readFairShare(deps, readers.jobs, { candidates, held });
  const terms = planTerms(deps, { now, limits, fairShare, cluster });
  const plan = planPlacements(candidates, cluster.hosts, terms);
  const { placements, preemptions } = plan;
  const limited = new Map(candidates.map((candidate) => [candidate.jobId, candidate]));
  for (let start = 0; start < placements.length; start += PLACEMENTS_PER_TRANSACTION) {
    const some = placements.slice(start, start + PLACEMENTS_PER_TRANSACTION);
    deps.activity.note(
      some.map(({ workerId }) => workerId),
      now,
    );
    const specs = readSpecs(deps, some);
    const assigned = await assign(deps, some, limited);
    // Once more: what was stored is what other replicas go by, and is later.
    deps.activity.note(
      assigned.map(({ attempt }) => attempt.workerId),
      deps.clock.now(),
    );
    if (assigned.length < some.length) {
      deps.dueJobs.forget();
      deps.cluster.forget();
    }
    await sendAssignments(deps, assigned, specs);
  }
  await preemptJobs(deps, preemptions);
  await supersedeJobs(deps, candidates, plan);
  return earlier(nextDueAt ?? undefined, limits.nextAt);
}

/** Specs of those that are to be sent from here, read while the placements are stored. */
function readSpecs(
  { database, sessions }: Pick<Deps, "database" | "sessions">,
  placements: readonly Placement[],
): Promise<ReadonlyMap<JobId, JobSpec>> {
  const here = placements.filter(({ workerId }) => sessions.find(workerId) !== undefined);
  if (here.length === 0) return Promise.resolve(new Map());
  const specs = database.readers.jobs.getSpecs(here.map(({ jobId }) => jobId));
  specs.catch(() => undefined); // `sendAssignments` tells, if anything was stored
  return specs;
}

function earlier(a: Date | undefined, b: Date | undefined): Date | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a < b ? a : b;
}

/**
 * Stores the placements that still hold, and returns what came of them: the job is as it was planned, and fits its worker
 * as that is now, and the limits leave it a place, whatever another replica or a reaper did meanwhile. The others are
 * planned anew next turn.
 */
function assign(
  deps: ScheduleDeps,
  placements: readonly Placement[],
  candidates: ReadonlyMap<JobId, Limited>,
): Promise<readonly HeldJob[]> {
  const limited = placements.flatMap(({ jobId }) => candidates.get(jobId) ?? []);
  const workerIds = [...new Set(placements.map(({ workerId }) => workerId))];
  const jobIds = placements.map(({ jobId }) => jobId);
  return deps.database.transact(async (stores) => {
    // Sent together. The database takes one after another: limits and workers are held when it looks at what
    // counts against them.
    const [, limits, workers, heldJobs, jobs] = await Promise.all([
      stores.limits.lock(limitLocks(deps, limited)),
      readLedger(deps, stores.limits, limited),
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
    const chosen = stillPossible(placements, { jobs, hosts, limits });
    // Starts count from when they are given out: the locks may have been waited for since the limits were read.
    const at = deps.clock.now();
    const changes = chosen.map(({ job, workerId }) => toChange(deps, { job, workerId, at }));
    const starts = limits.taken.map((start) => {
      const countsUntil = start.countsUntil.getTime() + at.getTime() - start.at.getTime();
      return { ...start, at, countsUntil: new Date(countsUntil) };
    });
    const [assigned] = await Promise.all([
      stores.jobs.updateAll(changes),
      stores.limits.addStarts(starts, at),
    ]);
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

/** Placements that hold with the jobs, hosts and limits as they are, each with what those before it leave. */
function stillPossible(
  placements: readonly Placement[],
  found: {
    readonly jobs: readonly Job[];
    readonly hosts: ReadonlyMap<WorkerId, Host>;
    readonly limits: LimitLedger;
  },
): readonly { readonly job: Job; readonly workerId: WorkerId }[] {
  const { limits } = found;
  const hosts = new Map(found.hosts);
  const jobs = new Map(found.jobs.map((job) => [job.id, job]));
  return placements.flatMap(({ jobId, version, workerId }) => {
    const job = jobs.get(jobId);
    const host = hosts.get(workerId);
    if (job?.version !== version || host === undefined) return [];
    if (rejection(host, needOf(job)) !== undefined) return [];
    if (limits.obstacle(limitsOf(job)) !== undefined) return [];
    limits.take(limitsOf(job));
    hosts.set(workerId, hold(host, job.policy.requirements));
    return [{ job, workerId }];
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

function toChange(
  deps: ScheduleDeps,
  { job, workerId, at }: Pick<Lease, "workerId"> & { readonly job: Job; readonly at: Date },
): JobChange {
  const acknowledgeBy = new Date(at.getTime() + deps.settings.acknowledgeTimeoutMs);
  return assignAttempt(job, { token: deps.newLeaseToken(), workerId, acknowledgeBy }, at);
}
