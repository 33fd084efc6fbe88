import type { AttemptRef, Usage } from "./attempt.ts";
import type { Outcome } from "./exit-reasons.ts";
import type { WorkerId } from "./ids.ts";
import type { JobSpec } from "./job-spec.ts";
import type { LogBatch } from "./log.ts";
import type { SecretValue } from "./secrets.ts";
import type { Capacity, WorkerFacts, WorkerMetrics } from "./worker.ts";

/** The first message of a session: who the worker is and what it still holds. */
export interface Hello {
  readonly facts: WorkerFacts;
  readonly attempts: readonly AttemptRef[];
}

/** How an attempt ended, as its worker reports it. */
export interface AttemptReport {
  readonly ref: AttemptRef;
  readonly outcome: Outcome;
  readonly logBytes: number;
  readonly processesLeft: number;
  /** `null` where the worker could not measure it. */
  readonly usage: Usage | null;
}

/** What a worker says after its hello. */
export type WorkerMessage =
  | {
      readonly type: "heartbeat";
      /** `null`: as said before. */
      readonly capacity: Capacity | null;
      /** `null`: nothing was measured yet. */
      readonly metrics: WorkerMetrics | null;
    }
  | { readonly type: "attempt_started"; readonly ref: AttemptRef }
  | { readonly type: "attempt_refused"; readonly ref: AttemptRef; readonly message: string }
  | { readonly type: "log_batch"; readonly batch: LogBatch }
  | { readonly type: "attempt_finished"; readonly report: AttemptReport }
  | { readonly type: "going_away" };

export interface LogAck {
  readonly ref: AttemptRef;
  readonly offset: number;
}

/** What a server says to a worker. */
export type ServerMessage =
  | {
      readonly type: "welcome";
      readonly workerId: WorkerId;
      readonly heartbeatIntervalMs: number;
      readonly logAcks: readonly LogAck[];
    }
  | {
      readonly type: "assignment";
      readonly ref: AttemptRef;
      readonly spec: JobSpec;
      /** Of every secret that the spec names. */
      readonly secrets: readonly SecretValue[];
    }
  | { readonly type: "cancel_attempt"; readonly ref: AttemptRef }
  | { readonly type: "abandon_attempt"; readonly ref: AttemptRef }
  | { readonly type: "log_ack"; readonly ack: LogAck }
  | { readonly type: "result_ack"; readonly ref: AttemptRef; readonly accepted: boolean }
  | { readonly type: "drain" };
