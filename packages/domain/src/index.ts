export {
  ATTEMPT_TRANSITIONS,
  type Attempt,
  type AttemptEvent,
  type AttemptRef,
  type AttemptState,
  applyAttemptEvent,
  isAttemptOver,
  type Usage,
} from "./attempt.ts";
export { type Cause, loopCause, requestCause, type SubjectType, writeCause } from "./cause.ts";
export type { Clock, Random, StopSignal } from "./clock.ts";
export type { Component } from "./component.ts";
export type { CertificateAuthority, IssuedCertificate, JoinTokenCodec } from "./credentials.ts";
export type { DayPartitions } from "./day-partitions.ts";
export {
  type Awaited,
  type Dependency,
  type DependencyCondition,
  describeDependency,
  type JudgedDependency,
  judgeDependency,
  MAX_DEPENDENCY_COUNT,
} from "./dependencies.ts";
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
  secretEventRecord,
  workerEventRecords,
} from "./events.ts";
export {
  EXIT_REASONS,
  type ExitReason,
  type ExitReasonFacts,
  isWorkerFault,
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
  attributePreemption,
  attributeTimeout,
  createJob,
  endAskedAt,
  isTerminal,
  JOB_TRANSITIONS,
  type Job,
  type JobEvent,
  type JobPolicy,
  type JobState,
  type Lease,
  type NewJobFacts,
  queueDeadline,
  queueOutcome,
  runTimeLeftMs,
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
  DEFAULT_ISOLATION,
  DEFAULT_LOG_POLICY,
  INTERPRETERS,
  type InputFile,
  type Isolation,
  type JobSpec,
  type LogOverflow,
  type LogPolicy,
  MAX_SPEC_BYTES,
  type PlacementPolicy,
  type PlacementTerms,
  type Preference,
  type Requirements,
  type Script,
  type Tags,
  type Timeouts,
  type Toleration,
} from "./job-spec.ts";
export {
  type Concurrency,
  type ConflictPolicy,
  type KeyHolder,
  keyText,
  type Limited,
  type LimitKey,
  LimitLedger,
  type LimitObstacle,
  type LimitUsage,
  NO_LIMIT_USAGE,
  queueFull,
  type RateLimit,
  type RateStart,
  supersededJobs,
} from "./limits.ts";
export {
  type AppendResult,
  afterNewline,
  chunkEnd,
  countLines,
  type LineCounts,
  type LogBatch,
  type LogChunk,
  type LogCompression,
  type LogGap,
  type LogPage,
  type LogPlace,
  type LogPlaceQuery,
  type LogRange,
  type LogSegment,
  type LogStart,
  type LogStore,
  type LogStream,
  type MissingBytes,
  newlinesIn,
  presentBytes,
  type StoredGap,
  totalBytes,
} from "./log.ts";
export type { Logger } from "./logger.ts";
export {
  comingHosts,
  type Pool,
  type PoolDemand,
  provisionCount,
  type WorkerTemplate,
} from "./pool.ts";
export {
  type BootFailures,
  bootFailures,
  type Departure,
  departures,
  type PoolWorker,
} from "./pool-turnover.ts";
export { isPreemptible, MAX_PREEMPTIONS_PER_JOB, outranks } from "./preemption.ts";
export type { Machine, Provider, ProvisionRequest } from "./provider.ts";
export {
  isMaskable,
  isMaskableLine,
  linesOf,
  MIN_MASKED_BYTES,
  redactionWarnings,
  trimBlank,
} from "./redaction-rules.ts";
export {
  checkRetention,
  type EndedJob,
  keptUntil,
  type RetentionRules,
  shortestRetentionMs,
} from "./retention.ts";
export { DEFAULT_RETRY_POLICY, isRetried, type RetryPolicy, retryDelayMs } from "./retry-policy.ts";
export { describeConstraint, holds } from "./scheduler/constraints.ts";
export { FAIR_AGING_MS, type FairShare, type TenantEnd } from "./scheduler/fair-order.ts";
export {
  type Filter,
  KIND_FILTERS,
  passes,
  type RejectionCode,
  rejection,
  SIZE_FILTERS,
  STATE_FILTERS,
} from "./scheduler/filters.ts";
export {
  type HeldAttempt,
  type Host,
  type HostState,
  hasRoom,
  hold,
  type Need,
  needOf,
  release,
  subtract,
} from "./scheduler/host.ts";
export {
  DEFAULT_PLACEMENT_POLICY,
  PLACEMENT_POLICIES,
  type PolicySource,
  policyFor,
  type ScorePart,
  scoreOf,
  scoreParts,
} from "./scheduler/placement-policy.ts";
export {
  type Candidate,
  type HeldBack,
  type Placement,
  type Plan,
  type PlanTerms,
  type Preemption,
  planPlacements,
  type Unplaceable,
} from "./scheduler/plan.ts";
export type { MadeRoom, PreemptionTerms } from "./scheduler/preemptions.ts";
export { type Occupant, roomAt } from "./scheduler/room-at.ts";
export {
  fadedShare,
  type MadeWorkers,
  NO_RECORD,
  type TrackRecord,
  tallyMade,
} from "./scheduler/track-record.ts";
export {
  byUrgency,
  type DuePosition,
  dueSince,
  PRIORITY_STEP_MS,
  urgentSince,
} from "./scheduler/urgency.ts";
export { type WaitReason, waitReasons } from "./scheduler/wait-reasons.ts";
export {
  checkSecret,
  MAX_JOB_SECRET_BYTES,
  MAX_SECRET_BYTES,
  type MasterKey,
  type NewSecretValue,
  type Secret,
  type SecretChange,
  type SecretEvent,
  type SecretForm,
  type SecretRef,
  type SecretStore,
  type SecretValue,
  secretFileVariable,
} from "./secrets.ts";
export type { AttemptReport, Hello, LogAck, ServerMessage, WorkerMessage } from "./session.ts";
export type {
  AttemptReader,
  AttemptStore,
  AttemptTally,
  CommitListener,
  Database,
  DependencyReader,
  DependencyStore,
  EventFilter,
  EventPage,
  EventReader,
  InsertedJob,
  JobChange,
  JobFilter,
  JobReader,
  JobStore,
  JoinToken,
  JoinTokenStore,
  KeyPosition,
  LeadershipStore,
  LimitLock,
  LimitReader,
  LimitStore,
  NewJob,
  NewLeaseToken,
  Page,
  PageRequest,
  Readers,
  Replica,
  ReplicaStore,
  Stores,
  WorkerReader,
  WorkerStore,
} from "./stores.ts";
export {
  NO_QUEUE_LIMITS,
  type QueueLimits,
  REPLICA_KEPT_MS,
} from "./stores.ts";
export {
  afterFailure,
  DELIVERY_TRIES_MAX,
  type DeadLetterKey,
  type SubscriptionReader,
  type SubscriptionState,
  type SubscriptionStore,
  type UndeliveredEvent,
} from "./subscription.ts";
export {
  applyWorkerEvent,
  type Capacity,
  createWorker,
  type DiskUsage,
  isOtherCapacity,
  MAX_ATTEMPT_COUNT,
  type Taint,
  takesAttempts,
  WORKER_TRANSITIONS,
  type Worker,
  type WorkerEvent,
  type WorkerFacts,
  type WorkerMetrics,
  type WorkerState,
  type WorkerStatus,
  withPoolLabels,
  workerStatus,
} from "./worker.ts";
