import {
  type Attempt,
  type AttemptReader,
  type AttemptState,
  type AttemptStore,
  type JobId,
  type LeaseToken,
  PlatformError,
  type TenantId,
  type WorkerId,
} from "@hodei/domain";
import { fromOutcomeColumns, type OutcomeColumns, toOutcomeColumns } from "./outcome-columns.ts";
import type { Sql, Statement } from "./sql.ts";
import { fromUsageColumns, toUsageColumns, type UsageColumns } from "./usage-columns.ts";

interface AttemptRow extends OutcomeColumns, UsageColumns {
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

// biome-ignore format: reads better in groups
const COLUMNS = [
  "job_id", "number", "tenant_id", "worker_id", "lease_token", "state", "assigned_at", "started_at", "finished_at",
  "outcome_reason", "outcome_exit_code", "outcome_signal", "outcome_message", "log_bytes", "processes_left",
  "cpu_ms", "peak_memory_bytes", "read_bytes", "written_bytes",
] as const satisfies readonly (keyof AttemptRow)[];

const [, , ...CHANGING_COLUMNS] = COLUMNS;

const SELECT_ATTEMPT = `select ${COLUMNS.join(", ")} from attempt where job_id = $1`;

const FIND: Statement = { name: "attempt_find", text: `${SELECT_ATTEMPT} and number = $2` };

const LOCK: Statement = { name: "attempt_lock", text: `${FIND.text} for no key update` };

const LIST: Statement = { name: "attempt_list", text: `${SELECT_ATTEMPT} order by number` };

const INSERT: Statement = {
  name: "attempt_insert",
  text: `
    insert into attempt (${COLUMNS.join(", ")})
    values (${COLUMNS.map((_, index) => `$${index + 1}`).join(", ")})`,
};

const UPDATE: Statement = {
  name: "attempt_update",
  text: `
    update attempt set ${CHANGING_COLUMNS.map((column, index) => `${column} = $${index + 3}`).join(", ")}
    where job_id = $1 and number = $2
    returning number`,
};

export class PostgresAttemptReader implements AttemptReader {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  async find(jobId: JobId, number: number): Promise<Attempt | undefined> {
    const [row] = await this.#sql.run<AttemptRow>(FIND, [jobId, number]);
    return row && fromRow(row);
  }

  async list(jobId: JobId): Promise<readonly Attempt[]> {
    return (await this.#sql.run<AttemptRow>(LIST, [jobId])).map(fromRow);
  }
}

export class PostgresAttemptStore extends PostgresAttemptReader implements AttemptStore {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    super(sql);
    this.#sql = sql;
  }

  async lock(jobId: JobId, number: number): Promise<Attempt | undefined> {
    const [row] = await this.#sql.run<AttemptRow>(LOCK, [jobId, number]);
    return row && fromRow(row);
  }

  async insert(attempt: Attempt): Promise<void> {
    await this.#sql.run(INSERT, toValues(attempt));
  }

  async update(attempt: Attempt): Promise<void> {
    const updated = await this.#sql.run(UPDATE, toValues(attempt));
    if (updated.length > 0) return;
    throw new PlatformError(
      "not_found",
      "attempt_not_found",
      `no attempt ${attempt.number} of job ${attempt.jobId}`,
    );
  }
}

/** In the order of `COLUMNS`. */
function toValues(attempt: Attempt): unknown[] {
  const row: AttemptRow = {
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
  return COLUMNS.map((column) => row[column]);
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
