import type { Cause } from "./cause.ts";
import type { Random } from "./clock.ts";
import { PlatformError } from "./errors.ts";
import { EXIT_REASONS, type ExitReason, type Outcome, outcomeOf } from "./exit-reasons.ts";
import type { JobId, LeaseToken, TenantId, WorkerId } from "./ids.ts";
import type { JobSpec, PlacementTerms, Requirements, Timeouts } from "./job-spec.ts";
import type { Concurrency, RateLimit } from "./limits.ts";
import { isRetried, type RetryPolicy, retryDelayMs } from "./retry-policy.ts";
import { urgentSince } from "./scheduler/urgency.ts";

export type JobState =
  | "pending"
  | "assigned"
  | "running"
  | "succeeded"
  | "failed"
  | "cancelled"
  | "timed_out";

/** A fact about one job. */
export type JobEvent = JobFact & {
  /** Default: the job's change before this one. */
  readonly causedBy?: Cause;
};

/** `at` is the server's time. */
type JobFact =
  | { readonly type: "created"; readonly at: Date; readonly causedBy: Cause }
  | { readonly type: "unblocked"; readonly at: Date }
  | { readonly type: "assigned"; readonly at: Date; readonly lease: Lease }
  | { readonly type: "started"; readonly at: Date }
  | {
      readonly type: "lease_expired";
      readonly at: Date;
      readonly message: string;
      /** Earliest next start. Default: as before */
      readonly runAt?: Date;
    }
  | { readonly type: "cancel_requested"; readonly at: Date; readonly by: string }
  | {
      readonly type: "room_claimed";
      readonly at: Date;
      readonly workerId: WorkerId;
      /** Jobs that were asked to give up their places there. */
      readonly victimIds: readonly JobId[];
    }
  | { readonly type: "preempt_requested"; readonly at: Date; readonly byJobId: JobId }
  | { readonly type: "preempted"; readonly at: Date; readonly outcome: Outcome }
  | {
      readonly type: "retry_scheduled";
      readonly at: Date;
      readonly runAt: Date;
      readonly outcome: Outcome;
    }
  | { readonly type: "retries_exhausted"; readonly at: Date; readonly attempts: number }
  | { readonly type: "succeeded"; readonly at: Date; readonly outcome: Outcome }
  | { readonly type: "failed"; readonly at: Date; readonly outcome: Outcome }
  | { readonly type: "cancelled"; readonly at: Date; readonly outcome: Outcome }
  | { readonly type: "timed_out"; readonly at: Date; readonly outcome: Outcome };

/** The right of one worker to run the job's current attempt. */
export interface Lease {
  readonly token: LeaseToken;
  readonly workerId: WorkerId;
  /** An attempt that the worker has not taken by then goes back to waiting. */
  readonly acknowledgeBy: Date;
}

/** The immutable part of a spec that decisions need; small, unlike the spec. */
export interface JobPolicy {
  readonly priority: number;
  readonly preemptible: boolean;
  readonly requirements: Requirements;
  readonly placement: PlacementTerms;
  readonly timeouts: Timeouts;
  readonly retryPolicy: RetryPolicy;
  readonly concurrency: Concurrency | null;
  readonly rateLimit: RateLimit | null;
  readonly retentionMs: number | null;
}

export interface Job {
  readonly id: JobId;
  readonly tenantId: TenantId;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly policy: JobPolicy;
  /** Shared by all events that the job's creation set off. */
  readonly correlationId: string;
  readonly state: JobState;
  /** Grows by one with every stored change; guards against stale writes. */
  readonly version: number;
  /** Number of the latest attempt, 0 before the first; with the lease token it fences writes. */
  readonly attempt: number;
  /** Attempts that a worker has taken; without `preemptionCount` compared with `maxAttempts`. */
  readonly startedAttempts: number;
  /** It waits for other jobs, and is not due before they have ended. */
  readonly isBlocked: boolean;
  readonly lease: Lease | null;
  /** Earliest next start. */
  readonly runAt: Date;
  /** See `urgentSince`; fixed once it waits for no other job. */
  readonly urgentSince: Date;
  /** It has ended by then; `null`: none. */
  readonly deadline: Date | null;
  readonly createdAt: Date;
  /** Start of the latest attempt. */
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly cancelRequest: { readonly at: Date; readonly by: string } | null;
  /** For which job its attempt is to end, and when that was asked; of a waiting job, for which its last attempt ended. */
  readonly preemption: { readonly at: Date; readonly byJobId: JobId } | null;
  /** Attempts that have ended for other jobs; they do not count as tries. */
  readonly preemptionCount: number;
  /** Of a waiting job: where others end so that it finds room. */
  readonly claimedWorkerId: WorkerId | null;
  /** Set in a terminal state. */
  readonly outcome: Outcome | null;
}

type Transitions = Readonly<Partial<Record<JobEvent["type"], JobState>>>;

/** Job lifecycle: state → event → next state. No entry: illegal. Empty row: terminal. */
// biome-ignore format: a table reads better in columns
export const JOB_TRANSITIONS: Readonly<Record<JobState, Transitions>> = {
  pending:   { unblocked: "pending", room_claimed: "pending", assigned: "assigned", cancelled: "cancelled", timed_out: "timed_out" },
  assigned:  { started: "running", lease_expired: "pending", cancel_requested: "assigned", preempt_requested: "assigned", cancelled: "cancelled" },
  running:   { succeeded: "succeeded", failed: "failed", cancelled: "cancelled", timed_out: "timed_out", retry_scheduled: "pending",
               preempted: "pending", retries_exhausted: "running", cancel_requested: "running", preempt_requested: "running" },
  succeeded: {},
  failed:    {},
  cancelled: {},
  timed_out: {},
};

export const isTerminal = (state: JobState): boolean =>
  Object.keys(JOB_TRANSITIONS[state]).length === 0;

export interface NewJobFacts {
  readonly id: JobId;
  readonly tenantId: TenantId;
  readonly correlationId: string;
  readonly now: Date;
}

/** The job as it is stored first: waiting, never tried. */
export function createJob(spec: JobSpec, facts: NewJobFacts): Job {
  return {
    id: facts.id,
    tenantId: facts.tenantId,
    name: spec.name,
    labels: spec.labels,
    policy: {
      priority: spec.priority,
      preemptible: spec.preemptible,
      requirements: spec.requirements,
      placement: spec.placement,
      timeouts: spec.timeouts,
      retryPolicy: spec.retryPolicy,
      concurrency: spec.concurrency,
      rateLimit: spec.rateLimit,
      retentionMs: spec.retentionMs,
    },
    correlationId: facts.correlationId,
    state: "pending",
    version: 1,
    attempt: 0,
    startedAttempts: 0,
    isBlocked: spec.after.length > 0,
    lease: null,
    runAt: spec.notBefore ?? facts.now,
    urgentSince: urgentSince(firstDueAt(spec, facts.now), spec.priority),
    deadline: spec.deadline,
    createdAt: facts.now,
    startedAt: null,
    finishedAt: null,
    cancelRequest: null,
    preemption: null,
    preemptionCount: 0,
    claimedWorkerId: null,
    outcome: null,
  };
}

/** A job does not age before it may start. */
function firstDueAt({ notBefore }: JobSpec, now: Date): Date {
  return notBefore !== null && notBefore > now ? notBefore : now;
}

/** The job after `event`. @throws PlatformError `failed_precondition` if the table has no entry. */
export function applyJobEvent(job: Job, event: JobEvent): Job {
  const state = JOB_TRANSITIONS[job.state][event.type];
  if (state === undefined) throw illegalTransition(job, event);
  if (job.isBlocked !== (event.type === "unblocked") && START_EVENTS.includes(event.type)) {
    throw illegalTransition(job, event);
  }
  switch (event.type) {
    case "created":
      throw illegalTransition(job, event);
    case "unblocked":
      return { ...job, state, ...dueFrom(job, event.at), isBlocked: false };
    case "assigned":
      return { ...job, ...UNPROMISED, state, attempt: job.attempt + 1, lease: event.lease };
    case "started":
      return { ...job, state, startedAttempts: job.startedAttempts + 1, startedAt: event.at };
    case "lease_expired":
      return { ...job, state, lease: null, preemption: null, runAt: event.runAt ?? job.runAt };
    case "cancel_requested":
      return { ...job, state, cancelRequest: job.cancelRequest ?? { at: event.at, by: event.by } };
    case "room_claimed":
      return { ...job, state, claimedWorkerId: event.workerId };
    case "preempt_requested":
      return { ...job, state, preemption: job.preemption ?? toPreemption(event) };
    case "preempted":
      return { ...job, state, lease: null, preemptionCount: job.preemptionCount + 1 };
    case "retry_scheduled":
      return { ...job, state, lease: null, preemption: null, runAt: event.runAt };
    case "retries_exhausted":
      return { ...job, state };
    case "succeeded":
    case "failed":
    case "cancelled":
    case "timed_out":
      return { ...job, ...END, state, finishedAt: event.at, outcome: event.outcome };
  }
}

/** A blocked job is only unblocked, and only once. */
const START_EVENTS: readonly JobEvent["type"][] = ["unblocked", "room_claimed", "assigned"];

/** What other jobs were asked for is over, for either side. */
const UNPROMISED = { preemption: null, claimedWorkerId: null } as const;

/** What a job that has ended has no more. */
const END = { ...UNPROMISED, lease: null, isBlocked: false } as const;

const toPreemption = ({ at, byJobId }: Extract<JobFact, { type: "preempt_requested" }>) => ({
  at,
  byJobId,
});

/** A job does not age while it waits for others. */
function dueFrom({ runAt, policy }: Job, at: Date): Pick<Job, "runAt" | "urgentSince"> {
  const dueAt = runAt > at ? runAt : at;
  return { runAt: dueAt, urgentSince: urgentSince(dueAt, policy.priority) };
}

/** `job` after all of `events`, in order. @throws PlatformError as `applyJobEvent` */
export function applyJobEvents(job: Job, events: readonly JobEvent[]): Job {
  return events.reduce(applyJobEvent, job);
}

function illegalTransition(job: Job, event: JobEvent): PlatformError {
  return new PlatformError(
    "failed_precondition",
    "illegal_transition",
    `job ${job.id} is ${job.state}; "${event.type}" does not apply to it`,
  );
}

/**
 * Until when a job may wait, or `null`: to its deadline, and before its first attempt no longer than its queue time-out.
 */
export function queueDeadline({ createdAt, deadline, policy, startedAttempts }: Job): Date | null {
  const { queueMs } = policy.timeouts;
  if (queueMs === null || startedAttempts > 0) return deadline;
  const timesOutAt = new Date(createdAt.getTime() + queueMs);
  return deadline !== null && deadline < timesOutAt ? deadline : timesOutAt;
}

/** How a job ends that has waited to its `queueDeadline`. */
export function queueOutcome({ deadline }: Job, now: Date): Outcome {
  return deadline !== null && deadline <= now
    ? outcomeOf("deadline_exceeded", "its deadline passed while it waited")
    : outcomeOf("queue_timeout", "no worker took it within the queue time-out");
}

/** How long an attempt that starts at `now` may run, in milliseconds, at least 1; `null`: without end. */
export function runTimeLeftMs(
  { timeouts: { runMs }, deadline }: Pick<JobSpec, "timeouts" | "deadline">,
  now: Date,
): number | null {
  if (deadline === null) return runMs;
  const leftMs = Math.max(1, deadline.getTime() - now.getTime());
  return runMs === null ? leftMs : Math.min(runMs, leftMs);
}

/** `outcome` as the job's author sees it: the worker knows of one time-out and not that it was the deadline. */
export function attributeTimeout(job: Job, outcome: Outcome): Outcome {
  const { deadline, startedAt, policy } = job;
  if (outcome.reason !== "run_timeout" || deadline === null || startedAt === null) return outcome;
  const { runMs } = policy.timeouts;
  if (runMs !== null && startedAt.getTime() + runMs <= deadline.getTime()) return outcome;
  const message = "its deadline passed while it ran";
  return { ...outcome, reason: "deadline_exceeded", message };
}

/** `outcome` as the job's author sees it: the worker knows that the attempt was to end, and not why. */
export function attributePreemption({ preemption, cancelRequest }: Job, outcome: Outcome): Outcome {
  if (outcome.reason !== "cancelled_by" || preemption === null || cancelRequest !== null)
    return outcome;
  const message = `it gave up its place to job ${preemption.byJobId}, which has a higher priority`;
  return { ...outcome, reason: "preempted", message };
}

/** When the end of the current attempt was first asked for; `null`: it was not, or there is none. */
export function endAskedAt({ lease, cancelRequest, preemption }: Job): Date | null {
  if (lease === null) return null;
  const askedMs = [cancelRequest, preemption].flatMap((asked) => asked?.at.getTime() ?? []);
  return askedMs.length === 0 ? null : new Date(Math.min(...askedMs));
}

/** How an attempt ends that gives up its place, or that could not tell any more that it did. */
const GIVEN_UP: readonly ExitReason[] = ["preempted", "worker_lost", "provider_reclaimed"];

/** What the end of a running attempt does to its job: ends it, or sends it back to wait for another attempt. */
export function settle(job: Job, outcome: Outcome, now: Date, random: Random): readonly JobEvent[] {
  const { endState } = EXIT_REASONS[outcome.reason];
  if (endState === "succeeded") return [{ type: "succeeded", at: now, outcome }];
  const isGivenUp = job.preemption !== null && GIVEN_UP.includes(outcome.reason);
  if (isGivenUp && job.cancelRequest === null) return [{ type: "preempted", at: now, outcome }];
  if (job.cancelRequest !== null && outcome.reason === "worker_lost") {
    const message = `cancelled by ${job.cancelRequest.by}; the worker was lost before it could report the end`;
    return [{ type: "cancelled", at: now, outcome: outcomeOf("cancelled_by", message) }];
  }
  if (job.cancelRequest !== null || !isRetried(job.policy.retryPolicy, outcome.reason)) {
    return [{ type: endState, at: now, outcome }];
  }
  const triedCount = job.startedAttempts - job.preemptionCount;
  const delayMs = retryDelayMs(job.policy.retryPolicy, triedCount, random);
  const end: JobEvent = { type: endState, at: now, outcome };
  if (delayMs !== undefined) {
    const runAt = new Date(now.getTime() + delayMs);
    // Past its deadline it would only wait to be ended, and the reason of this end would be lost.
    if (job.deadline !== null && runAt >= job.deadline) return [end];
    return [{ type: "retry_scheduled", at: now, runAt, outcome }];
  }
  const { maxAttempts } = job.policy.retryPolicy;
  if (maxAttempts === 1) return [end];
  return [{ type: "retries_exhausted", at: now, attempts: triedCount }, end];
}
