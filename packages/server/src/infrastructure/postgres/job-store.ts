import { type Job, type JobEvent, type JobId, type JobStore, jobEventRecords } from "@hodei/domain";
import { insertEventsFrom, toEventsJson } from "./append-events.ts";
import { jobNotFound, PostgresJobReader } from "./job-reader.ts";
import {
  CHANGING_JOB_COLUMNS,
  fromJobRow,
  SELECT_JOB,
  type StoredJobRow,
  toJobRow,
} from "./job-row.ts";
import type { Statement, Transaction } from "./sql.ts";
import { staleVersion } from "./stale-version.ts";

const LOCK: Statement = {
  name: "job_lock",
  text: `${SELECT_JOB} where j.id = $1 for no key update of j`,
};

const UPDATE: Statement = {
  name: "job_update",
  text: `
    with updated as (
      update job
      set version = version + 1, ${CHANGING_JOB_COLUMNS.map((column, index) => `${column} = $${index + 4}`).join(", ")}
      where id = $1 and version = $2
      returning id
    ), appended as (
      ${insertEventsFrom("$3")} cross join updated
    )
    select id from updated`,
};

export class PostgresJobStore extends PostgresJobReader implements JobStore {
  readonly #transaction: Transaction;

  constructor(transaction: Transaction) {
    super(transaction);
    this.#transaction = transaction;
  }

  async lock(id: JobId): Promise<Job> {
    const [row] = await this.#transaction.run<StoredJobRow>(LOCK, [id]);
    return row === undefined ? jobNotFound(id) : fromJobRow(row);
  }

  async update(job: Job, events: readonly JobEvent[]): Promise<Job> {
    const stored: Job = { ...job, version: job.version + 1 };
    const records = jobEventRecords(stored, events);
    const row = toJobRow(stored);
    const changing = CHANGING_JOB_COLUMNS.map((column) => row[column]);
    const updated = await this.#transaction.run(UPDATE, [
      job.id,
      job.version,
      toEventsJson(records),
      ...changing,
    ]);
    if (updated.length === 0) throw staleVersion("job", job);
    this.#transaction.events.push(...records);
    return stored;
  }
}
