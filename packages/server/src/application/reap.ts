import {
  applyAttemptEvent,
  applyJobEvent,
  applyWorkerEvent,
  type Job,
  type JobEvent,
  outcomeOf,
  queueOutcome,
  type ReplicaId,
  type Stores,
  type Worker,
  type WorkerEvent,
} from "@hodei/domain";
import { endAttempt, returnAttempt, withAttempt } from "./attempts.ts";
import type { Deps } from "./deps.ts";
import { JOINED_PROVIDER } from "./joined.ts";
import { removeWorker } from "./remove-worker.ts";

/** Rows that one turn of a reaper takes; the rest are taken at once in the next. */
const REAP_LIMIT_COUNT = 500;

type ReapDeps = Pick<
  Deps,
  "database" | "liveWorkers" | "clock" | "logs" | "random" | "settings" | "uptime" | "log"
>;

/** One turn: assignments that no worker acknowledged in time go back to waiting. */
export async function reapUnacknowledged(deps: ReapDeps): Promise<undefined> {
  const now = deps.clock.now();
  const jobs = await deps.database.readers.jobs.listUnacknowledged(now, REAP_LIMIT_COUNT);
  for (const { id, version } of jobs) {
    await deps.database.transact(async (stores) => {
      const job = await stores.jobs.lock(id);
      if (job.version !== version) return;
      const held = await withAttempt(stores, job);
      const message = "the worker did not acknowledge it in time";
      const logBytes = await deps.logs.durableOffset(id, held.attempt.number);
      await stores.jobs.updateAll([returnAttempt(held, { at: now, message, logBytes })]);
    });
  }
}

/**
 * One turn: attempts that were cancelled or preempted, and whose worker is there but has not told of their end in time, end as
 * `unkillable`. What the worker says of them later is refused.
 */
export async function reapStuckCancels(deps: ReapDeps): Promise<undefined> {
  const now = deps.clock.now();
  const before = new Date(now.getTime() - deps.settings.cancelTimeoutMs);
  const jobs = await deps.database.readers.jobs.listCancelOverdue(before, REAP_LIMIT_COUNT);
  for (const { id, version } of jobs) {
    await deps.database.transact(async (stores) => {
      const job = await stores.jobs.lock(id);
      if (job.version !== version || !(await couldReport(deps, stores, job, now))) return;
      const held = await withAttempt(stores, job);
      const message = `its ${whoAsked(job)}, and its worker has not confirmed its end`;
      const logBytes = await deps.logs.durableOffset(id, job.attempt);
      const outcome = outcomeOf("unkillable", message);
      const report = { outcome, logBytes, processesLeft: 0, usage: null };
      const change = endAttempt(held, report, { at: now, random: deps.random });
      // Lost, as this is not what its worker reported: its own result is not to be taken for a repeat.
      const attempt = applyAttemptEvent(held.attempt, { type: "lost", at: now, ...report });
      await stores.jobs.updateAll([{ ...change, attempt }]);
      deps.log.warn("cancel_not_confirmed", { jobId: id, attempt: job.attempt });
    });
  }
}

/** Who asked for the end of its attempt, to follow "its". */
function whoAsked({ cancelRequest, preemption }: Job): string {
  return cancelRequest === null
    ? `place was to go to job ${preemption?.byJobId}`
    : `cancel was asked for by ${cancelRequest.by}`;
}

/**
 * Whether the job's worker has had a session for long enough to tell of an end. Without one it is lost soon; a new one
 * means that it could not tell, because a server or the database was away, and is about to.
 */
async function couldReport(
  { settings }: ReapDeps,
  { workers }: Stores,
  { lease }: Job,
  now: Date,
): Promise<boolean> {
  const worker = lease === null ? undefined : await workers.find(lease.workerId);
  if (worker === undefined || worker.connectBy !== null || worker.connectedAt === null)
    return false;
  return now.getTime() - worker.connectedAt.getTime() >= settings.orphanGraceMs;
}

/** One turn: jobs that waited longer than their queue time-out, or to their deadline, end. */
export async function reapQueueTimeouts(deps: ReapDeps): Promise<undefined> {
  const now = deps.clock.now();
  const jobs = await deps.database.readers.jobs.listQueueTimedOut(now, REAP_LIMIT_COUNT);
  for (const { id, version } of jobs) {
    await deps.database.transact(async (stores) => {
      const job = await stores.jobs.lock(id);
      if (job.version !== version) return;
      const event: JobEvent = { type: "timed_out", at: now, outcome: queueOutcome(job, now) };
      await stores.jobs.update(applyJobEvent(job, event), [event]);
    });
  }
}

/** One turn, on every replica: sessions that have been silent for too long end. */
export async function endSilentSessions(
  deps: Pick<Deps, "sessions" | "clock" | "settings">,
): Promise<undefined> {
  const oldest = deps.clock.now().getTime() - deps.settings.workerSilenceMs;
  for (const session of deps.sessions.all()) {
    if (session.lastHeardAt.getTime() < oldest) session.end();
  }
}

/**
 * One turn: workers whose server died get time to connect to another; workers whose time has run out are lost, and
 * their attempts with them; workers lost for long are terminated.
 */
export async function reapWorkers(deps: ReapDeps): Promise<undefined> {
  const now = deps.clock.now();
  const alive = await liveReplicas(deps, now);
  for (const worker of await deps.liveWorkers.list(now)) {
    const event = reapEvent(deps, worker, { now, alive });
    if (event !== undefined) await apply(deps, worker, event);
  }
}

async function liveReplicas(deps: ReapDeps, now: Date): Promise<ReadonlySet<ReplicaId | null>> {
  const replicas = await deps.database.readers.replicas.list();
  const oldest = now.getTime() - deps.settings.replicaTtlMs;
  const live = replicas.filter(({ renewedAt }) => renewedAt.getTime() >= oldest);
  return new Set(live.map(({ id }) => id));
}

type ReapEvent = Extract<WorkerEvent, { type: "disconnected" | "lost" | "terminated" }>;

function reapEvent(
  { settings, uptime }: ReapDeps,
  worker: Worker,
  { now: at, alive }: { now: Date; alive: ReadonlySet<ReplicaId | null> },
): ReapEvent | undefined {
  if (worker.connectBy === null) {
    if (alive.has(worker.replicaId)) return undefined;
    // Counts from now, not from the death of the server: there may have been none to connect to until now.
    const connectBy = new Date(at.getTime() + settings.orphanGraceMs);
    return { type: "disconnected", at, connectBy, message: "its server died" };
  }
  const overdueMs =
    at.getTime() - dueAtMs(worker, { settings, uptime, connectBy: worker.connectBy });
  if (overdueMs <= 0) return undefined;
  if (worker.connectedAt === null) {
    return { type: "terminated", at, message: "it never opened a session" };
  }
  if (worker.state !== "lost") {
    return { type: "lost", at, message: "its session ended and it did not come back in time" };
  }
  const joined = worker.provider === JOINED_PROVIDER;
  const retentionMs = joined ? settings.joinedRetentionMs : settings.lostRetentionMs;
  return overdueMs > retentionMs
    ? { type: "terminated", at, message: "it was lost and did not come back" }
    : undefined;
}

/**
 * When the worker's time to connect runs out. Time without any server, or without the database, does not count:
 * who may have been cut off before this server could take it back gets as much time from then as workers of a server that died.
 */
function dueAtMs(
  { createdAt, connectedAt }: Worker,
  {
    settings,
    uptime,
    connectBy,
  }: Pick<ReapDeps, "settings" | "uptime"> & { readonly connectBy: Date },
): number {
  const beganAtMs =
    connectedAt === null ? createdAt.getTime() : connectBy.getTime() - settings.reconnectGraceMs;
  if (beganAtMs > uptime.since.getTime()) return connectBy.getTime();
  return Math.max(connectBy.getTime(), uptime.since.getTime() + settings.orphanGraceMs);
}

async function apply(deps: ReapDeps, { id, version }: Worker, event: ReapEvent): Promise<void> {
  await deps.database.transact(async (stores) => {
    const worker = await stores.workers.lock(id);
    if (worker.version !== version) return;
    if (event.type === "disconnected") {
      await stores.workers.update(applyWorkerEvent(worker, event), [event]);
    } else {
      await removeWorker(deps, stores, worker, event);
    }
  });
}
