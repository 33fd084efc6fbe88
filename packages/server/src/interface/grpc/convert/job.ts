import { create } from "@bufbuild/protobuf";
import type { Attempt, ExitReason, Job, JobFilter, Outcome, Usage } from "@hodei/domain";
import {
  AttemptSchema,
  JobSchema,
  OutcomeSchema,
  type Attempt as ProtoAttempt,
  type Job as ProtoJob,
  type Outcome as ProtoOutcome,
  type Usage as ProtoUsage,
  UsageSchema,
} from "@hodei/proto/hodei/v1/job";
import type { JobFilter as ProtoJobFilter } from "@hodei/proto/hodei/v1/job_service";
import { ATTEMPT_STATES, EXIT_REASON_VALUES, JOB_STATES } from "./enums.ts";
import { fromProtoUint64, toProtoUint64 } from "./numbers.ts";
import {
  fromProtoDuration,
  fromProtoTime,
  toProtoDuration,
  toProtoOptionalTime,
  toProtoTime,
} from "./times.ts";

export function toProtoJob(job: Job): ProtoJob {
  return create(JobSchema, {
    id: job.id,
    tenantId: job.tenantId,
    name: job.name,
    state: JOB_STATES.toProto(job.state),
    version: toProtoUint64(job.version),
    attempt: job.attempt,
    priority: job.policy.priority,
    labels: { ...job.labels },
    createdAt: toProtoTime(job.createdAt),
    runAt: toProtoTime(job.runAt),
    startedAt: toProtoOptionalTime(job.startedAt),
    finishedAt: toProtoOptionalTime(job.finishedAt),
    cancelRequestedAt: toProtoOptionalTime(job.cancelRequest?.at ?? null),
    outcome: job.outcome === null ? undefined : toProtoOutcome(job.outcome),
    preemptionCount: job.preemptionCount,
  });
}

export function toProtoAttempt(attempt: Attempt): ProtoAttempt {
  return create(AttemptSchema, {
    number: attempt.number,
    state: ATTEMPT_STATES.toProto(attempt.state),
    workerId: attempt.workerId,
    assignedAt: toProtoTime(attempt.assignedAt),
    startedAt: toProtoOptionalTime(attempt.startedAt),
    finishedAt: toProtoOptionalTime(attempt.finishedAt),
    outcome: attempt.outcome === null ? undefined : toProtoOutcome(attempt.outcome),
    logBytes: toProtoUint64(attempt.logBytes),
    processesLeft: attempt.processesLeft,
    usage: attempt.usage === null ? undefined : toProtoUsage(attempt.usage),
  });
}

export function toProtoOutcome({ reason, exitCode, signal, message }: Outcome): ProtoOutcome {
  return create(OutcomeSchema, {
    reason: EXIT_REASON_VALUES.toProto(reason),
    exitCode: exitCode ?? undefined,
    signal: signal ?? "",
    message,
  });
}

function toProtoUsage(usage: Usage): ProtoUsage {
  return create(UsageSchema, {
    cpuTime: toProtoDuration(usage.cpuMs),
    peakMemoryBytes: toProtoUint64(usage.peakMemoryBytes),
    readBytes: toProtoUint64(usage.readBytes),
    writtenBytes: toProtoUint64(usage.writtenBytes),
  });
}

/** @throws PlatformError `invalid_argument` naming the part of `field` that is too large */
export function fromProtoUsage(field: string, usage: ProtoUsage): Usage {
  return {
    cpuMs: usage.cpuTime === undefined ? 0 : fromProtoDuration(`${field}.cpu_time`, usage.cpuTime),
    peakMemoryBytes: fromProtoUint64(`${field}.peak_memory_bytes`, usage.peakMemoryBytes),
    readBytes: fromProtoUint64(`${field}.read_bytes`, usage.readBytes),
    writtenBytes: fromProtoUint64(`${field}.written_bytes`, usage.writtenBytes),
  };
}

/** @throws PlatformError `invalid_argument` for a reason that we do not know */
export function fromProtoOutcome({ reason, exitCode, signal, message }: ProtoOutcome): Outcome {
  const known: ExitReason = EXIT_REASON_VALUES.fromProto(reason);
  return {
    reason: known,
    exitCode: exitCode ?? null,
    signal: signal === "" ? null : signal,
    message,
  };
}

/** What is not set does not narrow. @throws PlatformError `invalid_argument` */
export function fromProtoJobFilter(
  filter: ProtoJobFilter | undefined,
): Omit<JobFilter, "tenantId"> {
  if (filter === undefined) return {};
  const { states, labels, nameContains, createdAfter, createdBefore } = filter;
  return {
    ...(states.length > 0 && { states: states.map(JOB_STATES.fromProto) }),
    ...(Object.keys(labels).length > 0 && { labels }),
    ...(nameContains !== "" && { nameContains }),
    ...(createdAfter && { createdAfter: fromProtoTime("filter.created_after", createdAfter) }),
    ...(createdBefore && { createdBefore: fromProtoTime("filter.created_before", createdBefore) }),
  };
}
