import {
  type Job,
  type JobId,
  type JobPolicy,
  type JobState,
  type Lease,
  type LeaseToken,
  queueDeadline,
  type TenantId,
  type WorkerId,
} from "@hodei/domain";
import { fromOutcomeColumns, type OutcomeColumns, toOutcomeColumns } from "./outcome-columns.ts";

/** The columns of table `job`, all that changes in a job's life. */
export interface JobRow extends OutcomeColumns {
  readonly id: string;
  readonly tenant_id: string;
  readonly state: JobState;
  readonly version: number;
  readonly attempt: number;
  readonly started_attempts: number;
  readonly is_blocked: boolean;
  readonly priority: number;
  readonly run_at: Date;
  readonly urgent_since: Date;
  readonly deadline_at: Date | null;
  readonly queue_deadline_at: Date | null;
  readonly lease_token: string | null;
  readonly lease_worker_id: string | null;
  readonly acknowledge_by: Date | null;
  readonly created_at: Date;
  readonly started_at: Date | null;
  readonly finished_at: Date | null;
  readonly cancel_requested_at: Date | null;
  readonly cancel_requested_by: string | null;
  readonly preempt_requested_at: Date | null;
  readonly preempted_by: string | null;
  readonly preemption_count: number;
  readonly claimed_worker_id: string | null;
  readonly correlation_id: string;
  readonly concurrency_key: string | null;
}

/** A job with what `job_spec` adds to it. */
export interface StoredJobRow extends JobRow {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly policy: JobPolicy;
}

/** Column types of table `job`; also the order of its columns in every statement. */
// biome-ignore format: one column a line
export const JOB_COLUMN_TYPES = {
  id: "uuid", tenant_id: "text", state: "text", version: "integer", attempt: "integer", started_attempts: "integer", is_blocked: "boolean",
  priority: "smallint", run_at: "timestamptz", urgent_since: "timestamptz", deadline_at: "timestamptz", queue_deadline_at: "timestamptz",
  lease_token: "uuid", lease_worker_id: "uuid", acknowledge_by: "timestamptz",
  created_at: "timestamptz", started_at: "timestamptz", finished_at: "timestamptz",
  cancel_requested_at: "timestamptz", cancel_requested_by: "text",
  preempt_requested_at: "timestamptz", preempted_by: "uuid", preemption_count: "smallint", claimed_worker_id: "uuid",
  outcome_reason: "text", outcome_exit_code: "integer", outcome_signal: "text", outcome_message: "text",
  correlation_id: "text", concurrency_key: "text",
} as const satisfies Readonly<Record<keyof JobRow, string>>;

/** Never written after the first time. */
const FIXED_COLUMNS: readonly string[] = [
  "id",
  "tenant_id",
  "priority",
  "deadline_at",
  "created_at",
  "correlation_id",
  "concurrency_key",
] satisfies (keyof JobRow)[];

export const JOB_COLUMNS = Object.keys(JOB_COLUMN_TYPES) as (keyof JobRow)[];

/** Columns that `update` writes; `version` is not among them, as the statement itself counts it up. */
export const CHANGING_JOB_COLUMNS = JOB_COLUMNS.filter(
  (column) => column !== "version" && !FIXED_COLUMNS.includes(column),
);

/** Whole jobs, but those that have moved to `finished_job`; goes on with `where`. */
export const SELECT_JOB = `
  select ${fieldsOf("j", "s")} from job j join job_spec s on s.job_id = j.id`;

/** Those that have moved; goes on with `where`. */
export const SELECT_FINISHED_JOB = `select ${fieldsOf("f", "f")} from finished_job f`;

/** Of a `StoredJobRow`; `job` and `spec` are where they come from. */
function fieldsOf(job: string, spec: string): string {
  const columns = JOB_COLUMNS.map((column) => `${job}.${column}`);
  return [...columns, ...["name", "labels", "policy"].map((column) => `${spec}.${column}`)].join(
    ", ",
  );
}

export function toJobRow(job: Job): JobRow {
  return {
    id: job.id,
    tenant_id: job.tenantId,
    state: job.state,
    version: job.version,
    attempt: job.attempt,
    started_attempts: job.startedAttempts,
    is_blocked: job.isBlocked,
    priority: job.policy.priority,
    run_at: job.runAt,
    urgent_since: job.urgentSince,
    deadline_at: job.deadline,
    queue_deadline_at: queueDeadline(job),
    lease_token: job.lease?.token ?? null,
    lease_worker_id: job.lease?.workerId ?? null,
    acknowledge_by: job.lease?.acknowledgeBy ?? null,
    created_at: job.createdAt,
    started_at: job.startedAt,
    finished_at: job.finishedAt,
    cancel_requested_at: job.cancelRequest?.at ?? null,
    cancel_requested_by: job.cancelRequest?.by ?? null,
    preempt_requested_at: job.preemption?.at ?? null,
    preempted_by: job.preemption?.byJobId ?? null,
    preemption_count: job.preemptionCount,
    claimed_worker_id: job.claimedWorkerId,
    ...toOutcomeColumns(job.outcome),
    correlation_id: job.correlationId,
    concurrency_key: job.policy.concurrency?.key ?? null,
  };
}

export function fromJobRow(row: StoredJobRow): Job {
  return {
    id: row.id as JobId,
    tenantId: row.tenant_id as TenantId,
    name: row.name,
    labels: row.labels,
    policy: row.policy,
    correlationId: row.correlation_id,
    state: row.state,
    version: row.version,
    attempt: row.attempt,
    startedAttempts: row.started_attempts,
    isBlocked: row.is_blocked,
    lease: toLease(row),
    runAt: row.run_at,
    urgentSince: row.urgent_since,
    deadline: row.deadline_at,
    createdAt: row.created_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    cancelRequest: toCancelRequest(row),
    preemption: toPreemption(row),
    preemptionCount: row.preemption_count,
    claimedWorkerId: row.claimed_worker_id as WorkerId | null,
    outcome: fromOutcomeColumns(row),
  };
}

function toLease(row: JobRow): Lease | null {
  if (row.lease_token === null || row.lease_worker_id === null || row.acknowledge_by === null) {
    return null;
  }
  return {
    token: row.lease_token as LeaseToken,
    workerId: row.lease_worker_id as WorkerId,
    acknowledgeBy: row.acknowledge_by,
  };
}

function toCancelRequest(row: JobRow): Job["cancelRequest"] {
  if (row.cancel_requested_at === null) return null;
  return { at: row.cancel_requested_at, by: row.cancel_requested_by ?? "" };
}

function toPreemption(row: JobRow): Job["preemption"] {
  if (row.preempt_requested_at === null || row.preempted_by === null) return null;
  return { at: row.preempt_requested_at, byJobId: row.preempted_by as JobId };
}
