import type { DescEnum } from "@bufbuild/protobuf";
import {
  type AttemptState,
  type ConflictPolicy,
  type ConstraintOperator,
  type DependencyCondition,
  type ExitReason,
  type JobState,
  type LogCompression,
  type LogOverflow,
  type LogStream,
  type MissingBytes,
  type PlacementPolicy,
  PlatformError,
  type PolicySource,
  type SecretForm,
  type WorkerStatus,
} from "@hodei/domain";
import {
  AttemptStateSchema,
  ConflictPolicySchema,
  ConstraintOperatorSchema,
  DependencyConditionSchema,
  ExitReasonSchema,
  JobStateSchema,
  LogOverflowSchema,
  PlacementPolicySchema,
  AttemptState as ProtoAttemptState,
  ConflictPolicy as ProtoConflictPolicy,
  ConstraintOperator as ProtoConstraintOperator,
  DependencyCondition as ProtoDependencyCondition,
  ExitReason as ProtoExitReason,
  JobState as ProtoJobState,
  LogOverflow as ProtoLogOverflow,
  PlacementPolicy as ProtoPlacementPolicy,
  SecretForm as ProtoSecretForm,
  SecretFormSchema,
} from "@hodei/proto/hodei/v1/job";
import {
  PolicySourceSchema,
  PolicySource as ProtoPolicySource,
} from "@hodei/proto/hodei/v1/job_service";
import {
  LogGapSchema,
  LogStreamSchema,
  LogGap as ProtoLogGap,
  LogStream as ProtoLogStream,
} from "@hodei/proto/hodei/v1/log_service";
import { WorkerState as ProtoWorkerState, WorkerStateSchema } from "@hodei/proto/hodei/v1/worker";
import {
  LogCompressionSchema,
  LogCompression as ProtoLogCompression,
} from "@hodei/proto/hodei/v1/worker_service";

/** One enum of the contract beside one union of the domain. The tests hold that each covers the other. */
export interface EnumTable<Word extends string, Value extends number> {
  readonly schema: DescEnum;
  readonly values: Readonly<Record<Word, Value>>;
  toProto(word: Word): Value;
  /** @throws PlatformError `invalid_argument` for `UNSPECIFIED` and for values that we do not know */
  fromProto(value: Value): Word;
}

function enumTable<Word extends string, Value extends number>(
  schema: DescEnum,
  values: Readonly<Record<Word, Value>>,
): EnumTable<Word, Value> {
  const words = new Map((Object.entries(values) as [Word, Value][]).map(([w, v]) => [v, w]));
  return {
    schema,
    values,
    toProto: (word) => values[word],
    fromProto(value) {
      const word = words.get(value);
      if (word !== undefined) return word;
      const name = schema.value[value]?.name ?? value;
      const choice = [...words.keys()].map((known) => schema.value[known]?.name).join(", ");
      throw new PlatformError(
        "invalid_argument",
        "unknown_enum_value",
        `${schema.name} ${name} cannot be given; use one of ${choice}`,
      );
    },
  };
}

export const JOB_STATES = enumTable<JobState, ProtoJobState>(JobStateSchema, {
  pending: ProtoJobState.PENDING,
  assigned: ProtoJobState.ASSIGNED,
  running: ProtoJobState.RUNNING,
  succeeded: ProtoJobState.SUCCEEDED,
  failed: ProtoJobState.FAILED,
  cancelled: ProtoJobState.CANCELLED,
  timed_out: ProtoJobState.TIMED_OUT,
});

export const ATTEMPT_STATES = enumTable<AttemptState, ProtoAttemptState>(AttemptStateSchema, {
  assigned: ProtoAttemptState.ASSIGNED,
  running: ProtoAttemptState.RUNNING,
  succeeded: ProtoAttemptState.SUCCEEDED,
  failed: ProtoAttemptState.FAILED,
  cancelled: ProtoAttemptState.CANCELLED,
  timed_out: ProtoAttemptState.TIMED_OUT,
  lost: ProtoAttemptState.LOST,
});

/** With `busy`, which workers show but are not stored as. */
export const WORKER_STATES = enumTable<WorkerStatus, ProtoWorkerState>(WorkerStateSchema, {
  provisioning: ProtoWorkerState.PROVISIONING,
  connecting: ProtoWorkerState.CONNECTING,
  ready: ProtoWorkerState.READY,
  busy: ProtoWorkerState.BUSY,
  draining: ProtoWorkerState.DRAINING,
  terminated: ProtoWorkerState.TERMINATED,
  lost: ProtoWorkerState.LOST,
});

export const EXIT_REASON_VALUES = enumTable<ExitReason, ProtoExitReason>(ExitReasonSchema, {
  completed: ProtoExitReason.COMPLETED,
  non_zero_exit: ProtoExitReason.NON_ZERO_EXIT,
  signal: ProtoExitReason.SIGNAL,
  oom_killed: ProtoExitReason.OOM_KILLED,
  run_timeout: ProtoExitReason.RUN_TIMEOUT,
  queue_timeout: ProtoExitReason.QUEUE_TIMEOUT,
  cancelled_by: ProtoExitReason.CANCELLED_BY,
  worker_lost: ProtoExitReason.WORKER_LOST,
  provider_reclaimed: ProtoExitReason.PROVIDER_RECLAIMED,
  image_pull_failed: ProtoExitReason.IMAGE_PULL_FAILED,
  command_not_found: ProtoExitReason.COMMAND_NOT_FOUND,
  permission_denied: ProtoExitReason.PERMISSION_DENIED,
  spawn_failed: ProtoExitReason.SPAWN_FAILED,
  secret_unavailable: ProtoExitReason.SECRET_UNAVAILABLE,
  input_failed: ProtoExitReason.INPUT_FAILED,
  output_failed: ProtoExitReason.OUTPUT_FAILED,
  disk_full: ProtoExitReason.DISK_FULL,
  unkillable: ProtoExitReason.UNKILLABLE,
  invalid_spec: ProtoExitReason.INVALID_SPEC,
  internal: ProtoExitReason.INTERNAL,
  deadline_exceeded: ProtoExitReason.DEADLINE_EXCEEDED,
  dropped: ProtoExitReason.DROPPED,
  dependency_failed: ProtoExitReason.DEPENDENCY_FAILED,
  preempted: ProtoExitReason.PREEMPTED,
});

export const CONSTRAINT_OPERATORS = enumTable<ConstraintOperator, ProtoConstraintOperator>(
  ConstraintOperatorSchema,
  {
    eq: ProtoConstraintOperator.EQ,
    ne: ProtoConstraintOperator.NE,
    gt: ProtoConstraintOperator.GT,
    lt: ProtoConstraintOperator.LT,
    in: ProtoConstraintOperator.IN,
    not_in: ProtoConstraintOperator.NOT_IN,
    exists: ProtoConstraintOperator.EXISTS,
  },
);

export const PLACEMENT_POLICIES = enumTable<PlacementPolicy, ProtoPlacementPolicy>(
  PlacementPolicySchema,
  {
    least_loaded: ProtoPlacementPolicy.LEAST_LOADED,
    bin_pack: ProtoPlacementPolicy.BIN_PACK,
    spread: ProtoPlacementPolicy.SPREAD,
    first_available: ProtoPlacementPolicy.FIRST_AVAILABLE,
    round_robin: ProtoPlacementPolicy.ROUND_ROBIN,
    reliable: ProtoPlacementPolicy.RELIABLE,
  },
);

export const POLICY_SOURCES = enumTable<PolicySource, ProtoPolicySource>(PolicySourceSchema, {
  job: ProtoPolicySource.JOB,
  pool: ProtoPolicySource.POOL,
  server: ProtoPolicySource.SERVER,
});

export const LOG_STREAMS = enumTable<LogStream, ProtoLogStream>(LogStreamSchema, {
  stdout: ProtoLogStream.STDOUT,
  stderr: ProtoLogStream.STDERR,
});

export const LOG_GAPS = enumTable<MissingBytes["reason"], ProtoLogGap>(LogGapSchema, {
  dropped: ProtoLogGap.DROPPED,
  limit: ProtoLogGap.LIMIT,
  skipped: ProtoLogGap.SKIPPED,
  expired: ProtoLogGap.EXPIRED,
  tenant_limit: ProtoLogGap.TENANT_LIMIT,
});

/** `none` is the unspecified value. */
export const LOG_COMPRESSIONS = enumTable<Exclude<LogCompression, "none">, ProtoLogCompression>(
  LogCompressionSchema,
  { zstd: ProtoLogCompression.ZSTD },
);

export const LOG_OVERFLOWS = enumTable<LogOverflow, ProtoLogOverflow>(LogOverflowSchema, {
  drop: ProtoLogOverflow.DROP,
  block: ProtoLogOverflow.BLOCK,
});

/** The stream that is asked for; unspecified means both, `null`. */
export function fromProtoStreamChoice(value: ProtoLogStream): LogStream | null {
  return value === ProtoLogStream.UNSPECIFIED ? null : LOG_STREAMS.fromProto(value);
}

export const SECRET_FORMS = enumTable<SecretForm, ProtoSecretForm>(SecretFormSchema, {
  env: ProtoSecretForm.ENV,
  file: ProtoSecretForm.FILE,
});

export const CONFLICT_POLICIES = enumTable<ConflictPolicy, ProtoConflictPolicy>(
  ConflictPolicySchema,
  {
    queue: ProtoConflictPolicy.QUEUE,
    cancel_in_progress: ProtoConflictPolicy.CANCEL_IN_PROGRESS,
    drop_newest: ProtoConflictPolicy.DROP_NEWEST,
  },
);

export const DEPENDENCY_CONDITIONS = enumTable<DependencyCondition, ProtoDependencyCondition>(
  DependencyConditionSchema,
  {
    succeeded: ProtoDependencyCondition.SUCCEEDED,
    failed: ProtoDependencyCondition.FAILED,
    any: ProtoDependencyCondition.ANY,
  },
);
