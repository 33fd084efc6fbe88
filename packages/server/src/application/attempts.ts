import {
  type Attempt,
  type AttemptEvent,
  type AttemptRef,
  type AttemptReport,
  applyAttemptEvent,
  applyJobEvent,
  applyJobEvents,
  attributePreemption,
  attributeTimeout,
  type Cause,
  EXIT_REASONS,
  invariant,
  type Job,
  type JobChange,
  type JobEvent,
  type Lease,
  type LogStore,
  type Outcome,
  outcomeOf,
  type Random,
  type Stores,
  settle,
  type WorkerId,
} from "@hodei/domain";

/** An assigned or running job with its current attempt, both as they are stored. */
export type HeldJob = Pick<JobChange, "job" | "attempt">;

/** Whether `ref`, sent by `workerId`, names the job's current attempt: the fence before every write of a worker. */
export function isCurrent(job: Job | undefined, workerId: WorkerId, ref: AttemptRef): job is Job {
  return (
    job !== undefined &&
    job.lease !== null &&
    job.id === ref.jobId &&
    job.attempt === ref.attempt &&
    job.lease.token === ref.leaseToken &&
    job.lease.workerId === workerId
  );
}

/** `job`, which the transaction holds, with its current attempt, which it holds from here on. */
export async function withAttempt(
  { attempts }: Pick<Stores, "attempts">,
  job: Job,
): Promise<HeldJob> {
  const attempt = await attempts.lock(job.id, job.attempt);
  invariant(attempt !== undefined, "an assigned or running job has an attempt row");
  return { job, attempt };
}

/** A waiting job is given to the worker of `lease`. */
export function assignAttempt(job: Job, lease: Lease, at: Date): JobChange {
  const event: JobEvent = { type: "assigned", at, lease };
  const assigned = applyJobEvent(job, event);
  return { job: assigned, events: [event], attempt: newAttempt(assigned, lease, at) };
}

/** The worker has taken the assigned attempt. */
export function startAttempt({ job, attempt }: HeldJob, at: Date): JobChange {
  const event: JobEvent & AttemptEvent = { type: "started", at };
  return {
    job: applyJobEvent(job, event),
    events: [event],
    attempt: applyAttemptEvent(attempt, event),
  };
}

/** Why an attempt goes away without a result of its own. */
export interface Loss {
  readonly at: Date;
  readonly message: string;
  /** What ended it, unless that is in the life of the job itself. */
  readonly causedBy?: Cause;
}

/**
 * An assigned attempt of whose start nobody told: the job waits again, to `runAt` if that is given, or is cancelled if that was
 * asked for. `logBytes` are there all the same if the worker had begun.
 */
export function returnAttempt(
  { job, attempt }: HeldJob,
  {
    at,
    message,
    logBytes,
    runAt,
    ...cause
  }: Loss & { readonly logBytes: number; readonly runAt?: Date | undefined },
): JobChange {
  const outcome = outcomeOf("worker_lost", message);
  const lost = { type: "lost", at, outcome, logBytes, processesLeft: 0, usage: null } as const;
  const event: JobEvent =
    job.cancelRequest === null
      ? { type: "lease_expired", at, message, ...(runAt !== undefined && { runAt }), ...cause }
      : {
          type: "cancelled",
          at,
          outcome: outcomeOf("cancelled_by", `cancelled by ${job.cancelRequest.by}`),
          ...cause,
        };
  return {
    job: applyJobEvent(job, event),
    events: [event],
    attempt: applyAttemptEvent(attempt, lost),
  };
}

/** Pause after the second attempt of a job that no worker took; doubles with each. */
const REFUSED_PAUSE_MS = 250;
const REFUSED_PAUSE_MAX_MS = 30_000;

/** An assigned attempt that its worker did not take. The first time the job may have another worker at once. */
export function refuseAttempt(held: HeldJob, at: Date, message: string): JobChange {
  const { attempt, startedAttempts } = held.job;
  const pauseMs = REFUSED_PAUSE_MS * 2 ** (attempt - startedAttempts - 2);
  const runAt =
    pauseMs < REFUSED_PAUSE_MS
      ? undefined
      : new Date(at.getTime() + Math.min(pauseMs, REFUSED_PAUSE_MAX_MS));
  return returnAttempt(held, {
    at,
    message: `the worker refused it: ${message}`,
    logBytes: 0,
    runAt,
  });
}

/**
 * An attempt has ended with `report`: its job ends with it, or waits for another attempt. One whose start nobody told
 * starts by this too.
 */
export function endAttempt(
  held: HeldJob,
  report: Omit<AttemptReport, "ref">,
  {
    at,
    random,
    ...cause
  }: { readonly at: Date; readonly random: Random; readonly causedBy?: Cause },
): JobChange {
  const { logBytes, processesLeft, usage } = report;
  const { job, attempt, events } =
    held.job.state === "assigned" ? startAttempt(held, at) : { ...held, events: [] };
  const outcome = attributePreemption(job, attributeTimeout(job, report.outcome));
  const ends = settle(job, outcome, at, random).map((event) => ({ ...event, ...cause }));
  const type = attemptEnd(outcome);
  return {
    job: applyJobEvents(job, ends),
    events: [...events, ...ends],
    attempt: applyAttemptEvent(attempt, { type, at, outcome, logBytes, processesLeft, usage }),
  };
}

/**
 * The attempts of a worker that is gone: what had not started waits again, what ran ends as `worker_lost`. The caller
 * holds the worker, so nothing is placed on it meanwhile.
 */
export async function loseAttempts(
  deps: { readonly logs: Pick<LogStore, "durableOffset">; readonly random: Random },
  stores: Stores,
  {
    workerId,
    jobs,
    ...loss
  }: Loss & { readonly workerId: WorkerId; readonly jobs: readonly Job[] },
): Promise<void> {
  for (const { id } of jobs.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
    const job = await stores.jobs.lock(id);
    if (job.lease?.workerId !== workerId) continue;
    const held = await withAttempt(stores, job);
    // The attempt is held before its log is measured: nothing is appended any more that the count would not have.
    const logBytes = await deps.logs.durableOffset(job.id, job.attempt);
    if (job.state === "assigned") {
      await stores.jobs.updateAll([returnAttempt(held, { ...loss, logBytes })]);
      continue;
    }
    const { message, ...end } = loss;
    const outcome = outcomeOf("worker_lost", message);
    const report = { outcome, logBytes, processesLeft: 0, usage: null };
    await stores.jobs.updateAll([endAttempt(held, report, { ...end, random: deps.random })]);
  }
}

function newAttempt(job: Job, lease: Lease, assignedAt: Date): Attempt {
  return {
    jobId: job.id,
    number: job.attempt,
    tenantId: job.tenantId,
    workerId: lease.workerId,
    leaseToken: lease.token,
    state: "assigned",
    assignedAt,
    startedAt: null,
    finishedAt: null,
    outcome: null,
    logBytes: 0,
    processesLeft: 0,
    usage: null,
  };
}

function attemptEnd(outcome: Outcome): Exclude<AttemptEvent["type"], "started"> {
  return outcome.reason === "worker_lost" ? "lost" : EXIT_REASONS[outcome.reason].endState;
}
