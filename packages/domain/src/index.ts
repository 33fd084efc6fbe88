export {
  ATTEMPT_TRANSITIONS,
  type Attempt,
  type AttemptEvent,
  type AttemptRef,
  type AttemptState,
  applyAttemptEvent,
  isAttemptOver,
} from "./attempt.ts";
export type { Clock, Random, StopSignal } from "./clock.ts";
export type { Component } from "./component.ts";
export type { CertificateAuthority, IssuedCertificate, JoinTokenCodec } from "./credentials.ts";
export {
  type ErrorCode,
  invariant,
  isPlatformError,
  PlatformError,
  RETRYABLE_CODES,
} from "./errors.ts";
export {
  type EventCursor,
  type EventRecord,
  jobEventRecords,
  type StoredEvent,
  type SubjectType,
  workerEventRecords,
} from "./events.ts";
export {
  EXIT_REASONS,
  type ExitReason,
  type ExitReasonFacts,
  type Outcome,
  outcomeOf,
  type Severity,
} from "./exit-reasons.ts";
export {
  DEFAULT_TENANT_ID,
  type Ids,
  type JobId,
  type LeaseToken,
  parseJobId,
  parseWorkerId,
  type ReplicaId,
  type TenantId,
  type WorkerId,
} from "./ids.ts";
export {
  applyJobEvent,
  applyJobEvents,
  createJob,
  isTerminal,
  JOB_TRANSITIONS,
  type Job,
  type JobEvent,
  type JobPolicy,
  type JobState,
  type Lease,
  type NewJobFacts,
  queueDeadline,
  settle,
} from "./job.ts";
export {
  type Command,
  type Constraint,
  type ConstraintOperator,
  checkJobSpec,
  createJobSpec,
  DEFAULT_CPU_MILLIS,
  DEFAULT_GRACE_MS,
  INTERPRETERS,
  type InputFile,
  type JobSpec,
  MAX_SPEC_BYTES,
  type Requirements,
  type Script,
  type Tags,
  type Timeouts,
} from "./job-spec.ts";
export type {
  AppendResult,
  LogBatch,
  LogChunk,
  LogPage,
  LogRange,
  LogSegment,
  LogStore,
  LogStream,
} from "./log.ts";
export type { Logger } from "./logger.ts";
export { type Pool, type PoolDemand, provisionCount, type WorkerTemplate } from "./pool.ts";
export type { Machine, Provider, ProvisionRequest } from "./provider.ts";
export { DEFAULT_RETRY_POLICY, isRetried, type RetryPolicy, retryDelayMs } from "./retry-policy.ts";
export {
  binPack,
  type Candidate,
  type Host,
  holds,
  leastLoaded,
  type Placement,
  type Plan,
  planPlacements,
  type RejectionCode,
  rejection,
  type Scorer,
  subtract,
  type Unplaceable,
  type WaitReason,
  waitReasons,
} from "./scheduler.ts";
export type { AttemptReport, Hello, LogAck, ServerMessage, WorkerMessage } from "./session.ts";
export type {
  AttemptReader,
  AttemptStore,
  CommitListener,
  Database,
  EventFilter,
  EventPage,
  EventReader,
  HeldAttempt,
  InsertedJob,
  JobFilter,
  JobReader,
  JobStore,
  JoinToken,
  JoinTokenStore,
  NewJob,
  NewLeaseToken,
  Page,
  PageRequest,
  Readers,
  Replica,
  ReplicaStore,
  Stores,
  SubscriptionStore,
  WorkerReader,
  WorkerStore,
} from "./stores.ts";
export {
  applyWorkerEvent,
  type Capacity,
  createWorker,
  takesAttempts,
  WORKER_TRANSITIONS,
  type Worker,
  type WorkerEvent,
  type WorkerFacts,
  type WorkerState,
  type WorkerStatus,
  workerStatus,
} from "./worker.ts";
