import type { AttemptRef, Dependency, Job, JobId, LogChunk, WorkerId } from "@hodei/domain";

/** What those outside of the control plane saw: its promises are measured by this. */
export class History {
  readonly answers: Answer[] = [];
  readonly cancelAnswers: { readonly atMs: number; readonly jobId: JobId }[] = [];
  readonly observations: Observation[] = [];
  readonly starts: Start[] = [];
  readonly resultAcks: ResultAckSeen[] = [];
  readonly logAcks: { readonly ref: AttemptRef; readonly offset: number }[] = [];
  readonly tails: Tail[] = [];
  readonly connections: Connection[] = [];
  readonly poolSizes: PoolSize[] = [];
  readonly losses: { readonly atMs: number; readonly workerId: WorkerId }[] = [];
  readonly failures: Failure[] = [];
}

/** `CreateJob` was answered. */
export interface Answer {
  readonly atMs: number;
  /** What the client asked for; repeats of one call share it. */
  readonly request: string;
  readonly idempotencyKey: string | null;
  readonly jobId: JobId;
  /** What the job waits for. */
  readonly after: readonly Dependency[];
}

/** A client read a job. Those of one job were read one after another. */
export interface Observation extends Pick<Job, "state" | "version"> {
  readonly atMs: number;
  readonly jobId: JobId;
}

/** A worker started the processes of an attempt. */
export interface Start {
  readonly atMs: number;
  readonly workerId: WorkerId;
  readonly ref: AttemptRef;
}

export interface ResultAckSeen {
  readonly workerId: WorkerId;
  readonly ref: AttemptRef;
  readonly accepted: boolean;
}

/** A client followed the log of one attempt. */
export interface Tail {
  readonly jobId: JobId;
  readonly attempt: number;
  /** In the order in which they came. */
  readonly chunks: LogChunk[];
  /** Whether the client was told that this is all. */
  isComplete: boolean;
}

/** A worker had a welcomed session from `fromMs` on. */
export interface Connection {
  readonly workerId: WorkerId;
  readonly fromMs: number;
  /** `null`: to the end of the run. */
  toMs: number | null;
}

/** A provider made a machine, and its pool then had `count`. */
export interface PoolSize {
  readonly atMs: number;
  readonly pool: string;
  readonly count: number;
}

/** A replica logged an error, or something else failed that should not. */
export interface Failure {
  readonly atMs: number;
  readonly event: string;
  readonly error: unknown;
}
