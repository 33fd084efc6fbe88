import {
  type Attempt,
  type AttemptEvent,
  type AttemptRef,
  type AttemptReport,
  applyAttemptEvent,
  applyJobEvent,
  applyJobEvents,
  type Cause,
  EXIT_REASONS,
  invariant,
  type Job,
  type JobEvent,
  type LogStore,
  type Outcome,
  outcomeOf,
  type Random,
  type Stores,
  settle,
  type WorkerId,
} from "@hodei/domain";

/** Whether `ref`, sent by `workerId`, names the job's current attempt: the fence before every write of a worker. */
export function isCurrent(job: Job | undefined, workerId: WorkerId, ref: AttemptRef): job is Job {
  return (
    job !== undefined &&
    job.lease !== null &&
    job.attempt === ref.attempt &&
    job.lease.token === ref.leaseToken &&
    job.lease.workerId === workerId
  );
}

/** The worker has taken the assigned attempt. */
export async function markStarted(stores: Stores, job: Job, at: Date): Promise<Job> {
  const event: JobEvent & AttemptEvent = { type: "started", at };
  await updateAttempt(stores, job, event);
  return stores.jobs.update(applyJobEvent(job, event), [event]);
}

/** Why an attempt goes away without a result of its own. */
export interface Loss {
  readonly at: Date;
  readonly message: string;
  /** What ended it, unless that is in the life of the job itself. */
  readonly causedBy?: Cause;
}

/** An assigned attempt that never started: the job waits again, or is cancelled if that was asked for. */
export async function returnAttempt(
  stores: Stores,
  job: Job,
  { at, message, ...cause }: Loss,
): Promise<Job> {
  const outcome = outcomeOf("worker_lost", message);
  await updateAttempt(stores, job, {
    type: "lost",
    at,
    outcome,
    logBytes: 0,
    processesLeft: 0,
    usage: null,
  });
  const event: JobEvent =
    job.cancelRequest === null
      ? { type: "lease_expired", at, message, ...cause }
      : {
          type: "cancelled",
          at,
          outcome: outcomeOf("cancelled_by", `cancelled by ${job.cancelRequest.by}`),
          ...cause,
        };
  return stores.jobs.update(applyJobEvent(job, event), [event]);
}

/** A running attempt has ended with `report`: its job ends with it, or waits for another attempt. */
export async function endAttempt(
  stores: Stores,
  job: Job,
  report: Omit<AttemptReport, "ref">,
  {
    at,
    random,
    ...cause
  }: { readonly at: Date; readonly random: Random; readonly causedBy?: Cause },
): Promise<Job> {
  const { outcome, logBytes, processesLeft, usage } = report;
  const type = attemptEnd(outcome);
  await updateAttempt(stores, job, { type, at, outcome, logBytes, processesLeft, usage });
  const events = settle(job, outcome, at, random).map((event) => ({ ...event, ...cause }));
  return stores.jobs.update(applyJobEvents(job, events), events);
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
    if (job.state === "assigned") {
      await returnAttempt(stores, job, loss);
      continue;
    }
    const { message, ...end } = loss;
    const outcome = outcomeOf("worker_lost", message);
    // Held before its log is measured: from here on nothing is appended that the count would not have.
    await stores.attempts.lock(job.id, job.attempt);
    const logBytes = await deps.logs.durableOffset(job.id, job.attempt);
    const report = { outcome, logBytes, processesLeft: 0, usage: null };
    await endAttempt(stores, job, report, { ...end, random: deps.random });
  }
}

function attemptEnd(outcome: Outcome): Exclude<AttemptEvent["type"], "started"> {
  return outcome.reason === "worker_lost" ? "lost" : EXIT_REASONS[outcome.reason].endState;
}

async function updateAttempt({ attempts }: Stores, job: Job, event: AttemptEvent): Promise<void> {
  const attempt: Attempt | undefined = await attempts.find(job.id, job.attempt);
  invariant(attempt !== undefined, "an assigned or running job has an attempt row");
  await attempts.update(applyAttemptEvent(attempt, event));
}
