import type {
  Attempt,
  AttemptReader,
  AttemptState,
  AttemptStore,
  JobId,
  LeaseToken,
  TenantId,
  WorkerId,
} from "@hodei/domain";
import { fromOutcomeColumns, type OutcomeColumns, toOutcomeColumns } from "./outcome-columns.ts";
import type { Sql, Statement } from "./sql.ts";
import { fromUsageColumns, toUsageColumns, type UsageColumns } from "./usage-columns.ts";

export interface AttemptRow extends OutcomeColumns, UsageColumns {
  readonly job_id: string;
  readonly number: number;
  readonly tenant_id: string;
  readonly worker_id: string;
  readonly lease_token: string;
  readonly state: AttemptState;
  readonly assigned_at: Date;
  readonly started_at: Date | null;
  readonly finished_at: Date | null;
  readonly log_bytes: number;
  readonly processes_left: number;
}

/** Column types of table `attempt`; also the order of its columns in every statement. */
// biome-ignore format: reads better in groups
export const ATTEMPT_COLUMN_TYPES = {
  job_id: "uuid", number: "integer", tenant_id: "text", worker_id: "uuid", lease_token: "uuid", state: "text",
  assigned_at: "timestamptz", started_at: "timestamptz", finished_at: "timestamptz",
  outcome_reason: "text", outcome_exit_code: "integer", outcome_signal: "text", outcome_message: "text",
  log_bytes: "bigint", processes_left: "integer",
  cpu_ms: "bigint", peak_memory_bytes: "bigint", read_bytes: "bigint", written_bytes: "bigint",
} as const satisfies Readonly<Record<keyof AttemptRow, string>>;

export const ATTEMPT_COLUMNS = Object.keys(ATTEMPT_COLUMN_TYPES) as (keyof AttemptRow)[];

const selectFrom = (table: string): string =>
  `select ${ATTEMPT_COLUMNS.join(", ")} from ${table} where job_id = $1`;

const FIND: Statement = {
  name: "attempt_find",
  text: `${selectFrom("attempt")} and number = $2`,
};

const FIND_FINISHED: Statement = {
  name: "attempt_find_finished",
  text: `${selectFrom("finished_attempt")} and number = $2`,
};

const LOCK: Statement = { name: "attempt_lock", text: `${FIND.text} for no key update` };

const LIST: Statement = {
  name: "attempt_list",
  text: `${selectFrom("attempt")} order by number`,
};

/** A job's attempts move with it, so they are all in one place. */
const LIST_FINISHED: Statement = {
  name: "attempt_list_finished",
  text: `${selectFrom("finished_attempt")} order by number`,
};

export class PostgresAttemptReader implements AttemptReader {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  async find(jobId: JobId, number: number): Promise<Attempt | undefined> {
    const [row] = await this.#sql.run<AttemptRow>(FIND, [jobId, number]);
    return row === undefined ? this.findFinished(jobId, number) : fromRow(row);
  }

  async list(jobId: JobId): Promise<readonly Attempt[]> {
    const rows = await this.#sql.run<AttemptRow>(LIST, [jobId]);
    if (rows.length > 0) return rows.map(fromRow);
    return (await this.#sql.run<AttemptRow>(LIST_FINISHED, [jobId])).map(fromRow);
  }

  /** Only where attempts of jobs are that have moved. */
  protected async findFinished(jobId: JobId, number: number): Promise<Attempt | undefined> {
    const [row] = await this.#sql.run<AttemptRow>(FIND_FINISHED, [jobId, number]);
    return row && fromRow(row);
  }
}

/** Attempts within a transaction; they are written with their jobs, by `changeJobs`. */
export class PostgresAttemptStore extends PostgresAttemptReader implements AttemptStore {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    super(sql);
    this.#sql = sql;
  }

  async lock(jobId: JobId, number: number): Promise<Attempt | undefined> {
    const [row] = await this.#sql.run<AttemptRow>(LOCK, [jobId, number]);
    return row === undefined ? this.findFinished(jobId, number) : fromRow(row);
  }
}

/** A row of table `attempt`, for `json_to_recordset`. */
export function toAttemptRow(attempt: Attempt): AttemptRow {
  return {
    job_id: attempt.jobId,
    number: attempt.number,
    tenant_id: attempt.tenantId,
    worker_id: attempt.workerId,
    lease_token: attempt.leaseToken,
    state: attempt.state,
    assigned_at: attempt.assignedAt,
    started_at: attempt.startedAt,
    finished_at: attempt.finishedAt,
    ...toOutcomeColumns(attempt.outcome),
    log_bytes: attempt.logBytes,
    processes_left: attempt.processesLeft,
    ...toUsageColumns(attempt.usage),
  };
}

function fromRow(row: AttemptRow): Attempt {
  return {
    jobId: row.job_id as JobId,
    number: row.number,
    tenantId: row.tenant_id as TenantId,
    workerId: row.worker_id as WorkerId,
    leaseToken: row.lease_token as LeaseToken,
    state: row.state,
    assignedAt: row.assigned_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    outcome: fromOutcomeColumns(row),
    logBytes: row.log_bytes,
    processesLeft: row.processes_left,
    usage: fromUsageColumns(row),
  };
}
