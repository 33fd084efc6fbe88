import {
  type EndedJob,
  type InsertedJob,
  type Job,
  type JobChange,
  type JobEvent,
  type JobId,
  type JobStore,
  jobEventRecords,
  type KeyPosition,
  type NewJob,
  type QueueLimits,
} from "@hodei/domain";
import { insertEventsFrom, toEventsJson } from "./append-events.ts";
import { changeJobs } from "./change-jobs.ts";
import { forgetKeys, moveFinishedJobs } from "./finished-jobs.ts";
import { createdEvents, insertWithin, toJobInsert } from "./insert-jobs.ts";
import { findFinishedJobs, jobNotFound, PostgresJobReader } from "./job-reader.ts";
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

const LOCK_ALL: Statement = {
  name: "job_lock_all",
  text: `${SELECT_JOB} where j.id = any($1::uuid[]) order by j.id for no key update of j`,
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
  readonly #queueLimits: QueueLimits;

  constructor(transaction: Transaction, queueLimits: QueueLimits) {
    super(transaction);
    this.#transaction = transaction;
    this.#queueLimits = queueLimits;
  }

  async insert(jobs: readonly NewJob[]): Promise<readonly InsertedJob[]> {
    const inserts = jobs.map(toJobInsert);
    const inserted = await insertWithin(this.#transaction, inserts, this.#queueLimits);
    this.#transaction.events.push(...createdEvents(inserts, inserted));
    return inserted;
  }

  async lock(id: JobId): Promise<Job> {
    const [row] = await this.#transaction.run<StoredJobRow>(LOCK, [id]);
    // What has moved does not change any more: it needs no lock.
    const [job] =
      row === undefined ? await findFinishedJobs(this.#transaction, [id]) : [fromJobRow(row)];
    return job ?? jobNotFound(id);
  }

  async lockAll(ids: readonly JobId[]): Promise<readonly Job[]> {
    const locked = (await this.#transaction.run<StoredJobRow>(LOCK_ALL, [ids])).map(fromJobRow);
    const lockedIds = new Set<string>(locked.map(({ id }) => id));
    const others = ids.filter((id) => !lockedIds.has(id));
    if (others.length === 0) return locked;
    return [...locked, ...(await findFinishedJobs(this.#transaction, others))];
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

  moveFinished(
    endedUntil: Date,
    limit: number,
    keptUntil: (job: EndedJob) => Date,
  ): Promise<number> {
    return moveFinishedJobs(this.#transaction, { endedUntil, limit }, keptUntil);
  }

  forgetKeys(
    createdBefore: Date,
    limit: number,
    from: KeyPosition | null,
  ): Promise<KeyPosition | null> {
    return forgetKeys(this.#transaction, { createdBefore, limit }, from);
  }

  async updateAll(changes: readonly JobChange[]): Promise<readonly Job[]> {
    const { jobs, events } = await changeJobs(this.#transaction, changes);
    this.#transaction.events.push(...events);
    return jobs.map((job, index) => {
      const change = changes[index];
      if (job === undefined && change !== undefined) throw staleVersion("job", change.job);
      return job as Job;
    });
  }
}
