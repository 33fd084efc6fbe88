import { create, toBinary } from "@bufbuild/protobuf";
import {
  type Command,
  type Concurrency,
  type Constraint,
  createJobSpec,
  DEFAULT_CPU_MILLIS,
  DEFAULT_GRACE_MS,
  DEFAULT_LOG_POLICY,
  DEFAULT_RETRY_POLICY,
  type Dependency,
  type InputFile,
  type JobId,
  type JobSpec,
  type LogPolicy,
  MAX_SPEC_BYTES,
  type PlacementTerms,
  PlatformError,
  type Preference,
  type RateLimit,
  type Requirements,
  type RetryPolicy,
  type Script,
  type SecretRef,
  type Tags,
  type Timeouts,
} from "@hodei/domain";
import {
  ConflictPolicy,
  DependencyCondition,
  JobSpecSchema,
  LogOverflow,
  PlacementPolicy,
  type Concurrency as ProtoConcurrency,
  type Constraint as ProtoConstraint,
  type Dependency as ProtoDependency,
  type InputFile as ProtoInputFile,
  type JobSpec as ProtoJobSpec,
  type LogPolicy as ProtoLogPolicy,
  type Preference as ProtoPreference,
  type RateLimit as ProtoRateLimit,
  type RetryPolicy as ProtoRetryPolicy,
  type SecretRef as ProtoSecretRef,
  type Tags as ProtoTags,
  type Timeouts as ProtoTimeouts,
  SecretForm,
} from "@hodei/proto/hodei/v1/job";
import {
  CONFLICT_POLICIES,
  CONSTRAINT_OPERATORS,
  DEPENDENCY_CONDITIONS,
  EXIT_REASON_VALUES,
  LOG_OVERFLOWS,
  PLACEMENT_POLICIES,
  SECRET_FORMS,
} from "./enums.ts";
import { fromProtoUint64, toProtoUint64 } from "./numbers.ts";
import {
  fromProtoDuration,
  fromProtoTime,
  toProtoDuration,
  toProtoOptionalDuration,
  toProtoOptionalTime,
} from "./times.ts";
import { refuseUnsupportedFields } from "./unsupported-fields.ts";

/** For a script that names none. */
const DEFAULT_INTERPRETER = "bash";
/** For a concurrency key without a limit: one job at a time. */
const DEFAULT_CONCURRENCY_LIMIT = 1;
/** For a rate limit without a period. */
const DEFAULT_RATE_PERIOD_MS = 1_000;

/** The spec with every default spelled out. */
export function toProtoSpec(spec: JobSpec): ProtoJobSpec {
  const { requirements, placement, timeouts, retryPolicy } = spec;
  return create(JobSpecSchema, {
    name: spec.name,
    work: toProtoWork(spec.work),
    env: { ...spec.env },
    workingDir: spec.workingDir,
    stdin: spec.stdin,
    files: spec.files.map((file) => ({ ...file })),
    secrets: spec.secrets.map(({ name, form }) => ({ name, form: SECRET_FORMS.toProto(form) })),
    resources: {
      cpuMillis: requirements.cpuMillis,
      memoryBytes: toProtoUint64(requirements.memoryBytes),
      diskBytes: toProtoUint64(requirements.diskBytes),
      gpuCount: requirements.gpuCount,
      gpuModel: requirements.gpuModel ?? "",
      arch: requirements.arch ?? "",
    },
    constraints: requirements.constraints.map(toProtoConstraint),
    tolerations: requirements.tolerations.map((toleration) => ({ ...toleration })),
    preferences: placement.preferences.map(({ constraint, weight }) => ({
      constraint: toProtoConstraint(constraint),
      weight,
    })),
    ...(placement.policy !== null && {
      placementPolicy: PLACEMENT_POLICIES.toProto(placement.policy),
    }),
    priority: spec.priority,
    preemptible: spec.preemptible,
    labels: { ...spec.labels },
    annotations: { ...spec.annotations },
    tags: { ...spec.tags },
    timeouts: {
      queue: toProtoOptionalDuration(timeouts.queueMs),
      run: toProtoOptionalDuration(timeouts.runMs),
      grace: toProtoDuration(timeouts.graceMs),
    },
    retryPolicy: {
      maxAttempts: retryPolicy.maxAttempts,
      baseDelay: toProtoDuration(retryPolicy.baseDelayMs),
      maxDelay: toProtoDuration(retryPolicy.maxDelayMs),
      reasons: retryPolicy.reasons.map(EXIT_REASON_VALUES.toProto),
    },
    concurrency: spec.concurrency === null ? undefined : toProtoConcurrency(spec.concurrency),
    rateLimit: spec.rateLimit === null ? undefined : toProtoRateLimit(spec.rateLimit),
    after: spec.after.map(({ jobId, condition }) => ({
      jobId,
      condition: DEPENDENCY_CONDITIONS.toProto(condition),
    })),
    notBefore: toProtoOptionalTime(spec.notBefore),
    deadline: toProtoOptionalTime(spec.deadline),
    logPolicy: {
      maxBytes: toProtoUint64(spec.logPolicy.maxBytes ?? 0),
      overflow: LOG_OVERFLOWS.toProto(spec.logPolicy.overflow),
    },
    keepBackground: spec.keepBackground,
    ...(spec.retentionMs !== null && { retention: { job: toProtoDuration(spec.retentionMs) } }),
    isolation: { ...spec.isolation },
  });
}

function toProtoConcurrency({ key, limit, onConflict }: Concurrency) {
  return { key, limit, onConflict: CONFLICT_POLICIES.toProto(onConflict) };
}

function toProtoRateLimit({ key, count, perMs }: RateLimit) {
  return { key, count, per: toProtoDuration(perMs) };
}

function toProtoWork(work: Command | Script): ProtoJobSpec["work"] {
  const message = create(JobSpecSchema, {
    work:
      work.kind === "command"
        ? { case: "command", value: { argv: [...work.argv] } }
        : { case: "script", value: { ...work, args: [...work.args] } },
  });
  return message.work;
}

/**
 * The spec with its defaults filled in. The contract's field rules have been checked already; the domain's have not.
 * @throws PlatformError `invalid_argument` if it is absent, too large or has no work; `unimplemented` if it has parts
 * that this server cannot act on
 */
export function fromProtoSpec(spec: ProtoJobSpec | undefined): JobSpec {
  if (spec === undefined) throw invalidSpec("spec: must be given");
  refuseUnsupportedFields(spec);
  checkSize(spec);
  return createJobSpec(fromProtoWork(spec), {
    ...(spec.name !== "" && { name: spec.name }),
    env: spec.env,
    workingDir: spec.workingDir,
    stdin: spec.stdin,
    files: spec.files.map(fromProtoFile),
    secrets: spec.secrets.map(fromProtoSecret),
    requirements: fromProtoRequirements(spec),
    placement: fromProtoPlacement(spec),
    priority: spec.priority,
    preemptible: spec.preemptible,
    labels: spec.labels,
    annotations: spec.annotations,
    tags: fromProtoTags(spec.tags),
    timeouts: fromProtoTimeouts(spec.timeouts),
    retryPolicy: fromProtoRetryPolicy(spec.retryPolicy),
    concurrency: fromProtoConcurrency(spec.concurrency),
    rateLimit: fromProtoRateLimit(spec.rateLimit),
    after: spec.after.map(fromProtoDependency),
    notBefore: spec.notBefore ? fromProtoTime("spec.not_before", spec.notBefore) : null,
    deadline: spec.deadline ? fromProtoTime("spec.deadline", spec.deadline) : null,
    logPolicy: fromProtoLogPolicy(spec.logPolicy),
    keepBackground: spec.keepBackground,
    retentionMs:
      spec.retention?.job === undefined
        ? null
        : fromProtoDuration("spec.retention.job", spec.retention.job),
    isolation: {
      privateHome: spec.isolation?.privateHome ?? false,
      sandbox: spec.isolation?.sandbox ?? false,
    },
  });
}

function checkSize(spec: ProtoJobSpec): void {
  const sizeBytes = toBinary(JobSpecSchema, spec).byteLength;
  if (sizeBytes <= MAX_SPEC_BYTES) return;
  throw new PlatformError(
    "invalid_argument",
    "spec_too_large",
    `the spec has ${sizeBytes} bytes, and at most ${MAX_SPEC_BYTES} are taken; let the job fetch large inputs itself`,
  );
}

function fromProtoWork({ work }: ProtoJobSpec): Command | Script {
  switch (work.case) {
    case "command":
      return { kind: "command", argv: work.value.argv };
    case "script": {
      const { content, interpreter, args, withoutSafetyPreamble } = work.value;
      return {
        kind: "script",
        content,
        interpreter: interpreter === "" ? DEFAULT_INTERPRETER : interpreter,
        args,
        withoutSafetyPreamble,
      };
    }
    // Containers were refused before.
    case "container":
    case undefined:
      throw invalidSpec("spec.work: give a command or a script");
  }
}

function fromProtoFile({ path, content, executable }: ProtoInputFile): InputFile {
  return { path, content, executable };
}

function fromProtoSecret({ name, form }: ProtoSecretRef): SecretRef {
  return { name, form: form === SecretForm.UNSPECIFIED ? "env" : SECRET_FORMS.fromProto(form) };
}

function fromProtoRequirements({
  resources,
  constraints,
  tolerations,
}: ProtoJobSpec): Requirements {
  return {
    cpuMillis: resources?.cpuMillis || DEFAULT_CPU_MILLIS,
    memoryBytes: fromProtoUint64("spec.resources.memory_bytes", resources?.memoryBytes ?? 0n),
    diskBytes: fromProtoUint64("spec.resources.disk_bytes", resources?.diskBytes ?? 0n),
    gpuCount: resources?.gpuCount ?? 0,
    gpuModel: resources?.gpuModel || null,
    arch: resources?.arch || null,
    constraints: constraints.map(fromProtoConstraint),
    tolerations: tolerations.map(({ key, value }) => ({ key, value })),
  };
}

function fromProtoPlacement({ preferences, placementPolicy }: ProtoJobSpec): PlacementTerms {
  return {
    preferences: preferences.map(fromProtoPreference),
    policy:
      placementPolicy === PlacementPolicy.UNSPECIFIED
        ? null
        : PLACEMENT_POLICIES.fromProto(placementPolicy),
  };
}

function fromProtoPreference({ constraint, weight }: ProtoPreference): Preference {
  if (constraint === undefined) throw invalidSpec("spec.preferences: each needs a constraint");
  return { constraint: fromProtoConstraint(constraint), weight };
}

function toProtoConstraint({ label, operator, values }: Constraint) {
  return { label, operator: CONSTRAINT_OPERATORS.toProto(operator), values: [...values] };
}

function fromProtoConstraint({ label, operator, values }: ProtoConstraint): Constraint {
  return { label, operator: CONSTRAINT_OPERATORS.fromProto(operator), values };
}

function fromProtoTags(tags: ProtoTags | undefined): Tags {
  const { project = "", team = "", costCentre = "" } = tags ?? {};
  return { project, team, costCentre };
}

function fromProtoTimeouts(timeouts: ProtoTimeouts | undefined): Timeouts {
  const { queue, run, grace } = timeouts ?? {};
  return {
    queueMs: queue ? fromProtoDuration("spec.timeouts.queue", queue) : null,
    runMs: run ? fromProtoDuration("spec.timeouts.run", run) : null,
    graceMs: grace ? fromProtoDuration("spec.timeouts.grace", grace) : DEFAULT_GRACE_MS,
  };
}

function fromProtoRetryPolicy(policy: ProtoRetryPolicy | undefined): RetryPolicy {
  const { maxAttempts, baseDelayMs, maxDelayMs } = DEFAULT_RETRY_POLICY;
  const { baseDelay, maxDelay } = policy ?? {};
  return {
    maxAttempts: policy?.maxAttempts || maxAttempts,
    baseDelayMs: baseDelay
      ? fromProtoDuration("spec.retry_policy.base_delay", baseDelay)
      : baseDelayMs,
    maxDelayMs: maxDelay ? fromProtoDuration("spec.retry_policy.max_delay", maxDelay) : maxDelayMs,
    reasons: (policy?.reasons ?? []).map(EXIT_REASON_VALUES.fromProto),
  };
}

function fromProtoConcurrency(concurrency: ProtoConcurrency | undefined): Concurrency | null {
  if (concurrency === undefined) return null;
  const { key, limit, onConflict } = concurrency;
  return {
    key,
    limit: limit || DEFAULT_CONCURRENCY_LIMIT,
    onConflict:
      onConflict === ConflictPolicy.UNSPECIFIED ? "queue" : CONFLICT_POLICIES.fromProto(onConflict),
  };
}

function fromProtoRateLimit(rateLimit: ProtoRateLimit | undefined): RateLimit | null {
  if (rateLimit === undefined) return null;
  const { key, count, per } = rateLimit;
  const perMs = per ? fromProtoDuration("spec.rate_limit.per", per) : DEFAULT_RATE_PERIOD_MS;
  return { key, count, perMs };
}

/** Ids are compared as text, and the contract takes them in any case. */
function fromProtoDependency({ jobId, condition }: ProtoDependency): Dependency {
  return {
    jobId: jobId.toLowerCase() as JobId,
    condition:
      condition === DependencyCondition.UNSPECIFIED
        ? "succeeded"
        : DEPENDENCY_CONDITIONS.fromProto(condition),
  };
}

function fromProtoLogPolicy(policy: ProtoLogPolicy | undefined): LogPolicy {
  const { maxBytes = 0n, overflow = LogOverflow.UNSPECIFIED } = policy ?? {};
  return {
    maxBytes: fromProtoUint64("spec.log_policy.max_bytes", maxBytes) || null,
    overflow:
      overflow === LogOverflow.UNSPECIFIED
        ? DEFAULT_LOG_POLICY.overflow
        : LOG_OVERFLOWS.fromProto(overflow),
  };
}

function invalidSpec(message: string): PlatformError {
  return new PlatformError("invalid_argument", "invalid_spec", message);
}
