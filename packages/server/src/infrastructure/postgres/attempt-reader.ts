import {
  type Attempt,
  type AttemptReader,
  type AttemptState,
  type AttemptStore,
  type AttemptTally,
  EXIT_REASONS,
  type ExitReason,
  isWorkerFault,
  type JobId,
  type LeaseToken,
  type TenantId,
  type WorkerId,
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

/**
 * `$1` after, `$2` until, `$3` the reasons that are a worker's fault. Reads the whole table, which is as small as the work at
 * hand: an index would cost more with every attempt.
 */
const TALLY: Statement = {
  name: "attempt_tally",
  text: `
    select worker_id, max(assigned_at) as last_assigned_at,
      count(*) filter (where is_ended)::integer as ended_count,
      count(*) filter (where is_ended and outcome_reason = any($3::text[]))::integer as fault_count,
      count(started_at) filter (where is_ended)::integer as started_count,
      (avg(extract(epoch from started_at - assigned_at)) filter (where is_ended) * 1000)::float8 as start_ms
    from attempt
      cross join lateral (select coalesce(finished_at > $1 and finished_at <= $2, false) as is_ended) as at
    group by worker_id`,
};

interface TallyRow {
  readonly worker_id: string;
  readonly last_assigned_at: Date;
  readonly ended_count: number;
  readonly fault_count: number;
  readonly started_count: number;
  readonly start_ms: number | null;
}

const WORKER_FAULTS = (Object.keys(EXIT_REASONS) as ExitReason[]).filter(isWorkerFault);

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

  async tally(after: Date, until: Date): Promise<readonly AttemptTally[]> {
    const rows = await this.#sql.run<TallyRow>(TALLY, [after, until, WORKER_FAULTS]);
    return rows.map((row) => ({
      workerId: row.worker_id as WorkerId,
      lastAssignedAt: row.last_assigned_at,
      endedCount: row.ended_count,
      faultCount: row.fault_count,
      startedCount: row.started_count,
      startMs: row.start_ms,
    }));
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
