import { type Cause, type SubjectType, writeCause } from "./cause.ts";
import type { TenantId } from "./ids.ts";
import type { Job, JobEvent } from "./job.ts";
import type { Secret, SecretEvent } from "./secrets.ts";
import type { Worker, WorkerEvent } from "./worker.ts";

/** An event as it is stored: a fact in the past tense about one subject. */
export interface EventRecord {
  readonly tenantId: TenantId;
  readonly subjectType: SubjectType;
  readonly subjectId: string;
  /** Version of the subject after the event; events that one write stored share it, in order. */
  readonly version: number;
  /** Such as `job.created`. */
  readonly type: string;
  readonly at: Date;
  /** Shared by all that one call set off. */
  readonly correlationId: string;
  readonly causedBy: Cause;
  /** JSON; what the event carries beside its time. Never a secret. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** Position in the stream of events: opaque text that grows; `""` is before the first. */
export type EventCursor = string;

export interface StoredEvent extends EventRecord {
  readonly cursor: EventCursor;
}

/** Events of one write to `job`, for storage beside it. Lease tokens are left out: they are a right, not a fact. */
export function jobEventRecords(job: Job, events: readonly JobEvent[]): EventRecord[] {
  return events.map((event) => {
    const { type, at, causedBy = previousWrite("job", job), ...rest } = event;
    const data = "lease" in rest ? { workerId: rest.lease.workerId, attempt: job.attempt } : rest;
    return {
      tenantId: job.tenantId,
      subjectType: "job",
      subjectId: job.id,
      version: job.version,
      type: `job.${type}`,
      at,
      correlationId: job.correlationId,
      causedBy,
      data,
    };
  });
}

/** Events of one write to `worker`, for storage beside it. */
export function workerEventRecords(worker: Worker, events: readonly WorkerEvent[]): EventRecord[] {
  return events.map(({ type, at, causedBy = previousWrite("worker", worker), ...data }) => ({
    tenantId: worker.tenantId,
    subjectType: "worker",
    subjectId: worker.id,
    version: worker.version,
    type: `worker.${type}`,
    at,
    // The life of a worker goes back to no single call.
    correlationId: worker.id,
    causedBy,
    data,
  }));
}

/** The event of one write to `secret`, for storage beside it. */
export function secretEventRecord(
  { tenantId, name, version }: Pick<Secret, "tenantId" | "name" | "version">,
  { type, at, by, correlationId, causedBy }: SecretEvent,
): EventRecord {
  return {
    tenantId,
    subjectType: "secret",
    subjectId: name,
    version,
    type: `secret.${type}`,
    at,
    correlationId,
    causedBy,
    data: { by },
  };
}

/** What an event follows from unless it says otherwise: the change of the same subject before it. */
const previousWrite = (
  subjectType: SubjectType,
  { id, version }: { readonly id: string; readonly version: number },
): Cause => writeCause(subjectType, { id, version: version - 1 });
