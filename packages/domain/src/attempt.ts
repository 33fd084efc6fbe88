import { PlatformError } from "./errors.ts";
import type { Outcome } from "./exit-reasons.ts";
import type { JobId, LeaseToken, TenantId, WorkerId } from "./ids.ts";

export type AttemptState =
  | "assigned"
  | "running"
  | "succeeded"
  | "failed"
  | "cancelled"
  | "timed_out"
  | "lost";

/** What an attempt used, all of its processes together. */
export interface Usage {
  /** User and system time. */
  readonly cpuMs: number;
  readonly peakMemoryBytes: number;
  /** Read from storage; what came out of the cache does not count. */
  readonly readBytes: number;
  readonly writtenBytes: number;
}

export type AttemptEvent =
  | { readonly type: "started"; readonly at: Date }
  | {
      readonly type: "succeeded" | "failed" | "cancelled" | "timed_out" | "lost";
      readonly at: Date;
      readonly outcome: Outcome;
      readonly logBytes: number;
      readonly processesLeft: number;
      readonly usage: Usage | null;
    };

/** One try of a job on one worker. */
export interface Attempt {
  readonly jobId: JobId;
  readonly number: number;
  readonly tenantId: TenantId;
  readonly workerId: WorkerId;
  readonly leaseToken: LeaseToken;
  readonly state: AttemptState;
  readonly assignedAt: Date;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly outcome: Outcome | null;
  /** Bytes of log, both streams together; final once the attempt has ended. */
  readonly logBytes: number;
  /** Processes of the attempt that were alive after its end. */
  readonly processesLeft: number;
  /** `null` while it runs, and where its worker could not measure it. */
  readonly usage: Usage | null;
}

/** Names one attempt and proves the right to it: every write of a worker carries it. */
export interface AttemptRef {
  readonly jobId: JobId;
  readonly attempt: number;
  readonly leaseToken: LeaseToken;
}

type Transitions = Readonly<Partial<Record<AttemptEvent["type"], AttemptState>>>;

/** Attempt lifecycle: state → event → next state. No entry: illegal. Empty row: terminal. */
// biome-ignore format: a table reads better in columns
export const ATTEMPT_TRANSITIONS: Readonly<Record<AttemptState, Transitions>> = {
  assigned:  { started: "running", lost: "lost" },
  running:   { succeeded: "succeeded", failed: "failed", cancelled: "cancelled", timed_out: "timed_out", lost: "lost" },
  succeeded: {},
  failed:    {},
  cancelled: {},
  timed_out: {},
  lost:      {},
};

export const isAttemptOver = (state: AttemptState): boolean =>
  Object.keys(ATTEMPT_TRANSITIONS[state]).length === 0;

/** The attempt after `event`. @throws PlatformError `failed_precondition` if the table has no entry. */
export function applyAttemptEvent(attempt: Attempt, event: AttemptEvent): Attempt {
  const state = ATTEMPT_TRANSITIONS[attempt.state][event.type];
  if (state === undefined) {
    throw new PlatformError(
      "failed_precondition",
      "illegal_transition",
      `attempt ${attempt.number} of job ${attempt.jobId} is ${attempt.state}; "${event.type}" does not apply to it`,
    );
  }
  if (event.type === "started") return { ...attempt, state, startedAt: event.at };
  const { at, outcome, logBytes, processesLeft, usage } = event;
  return { ...attempt, state, finishedAt: at, outcome, logBytes, processesLeft, usage };
}
