import {
  type EventRecord,
  type InsertedJob,
  invariant,
  type Job,
  jobEventRecords,
  type NewJob,
  type QueueLimits,
  queueFull,
} from "@hodei/domain";
import { insertEventsFrom, toEventsJson } from "./append-events.ts";
import { IS_JOB_GONE } from "./finished-jobs.ts";
import {
  fromJobRow,
  JOB_COLUMN_TYPES,
  JOB_COLUMNS,
  SELECT_FINISHED_JOB,
  SELECT_JOB,
  type StoredJobRow,
  toJobRow,
} from "./job-row.ts";
import { lockNames } from "./limit-store.ts";
import { toSpecColumns } from "./spec-columns.ts";
import type { Sql, Statement } from "./sql.ts";

/** Rows of one statement. */
const ROWS_MAX = 64;
/** Size of one statement's jobs as JSON, in UTF-16 units, unless a single one is larger. */
const SIZE_MAX = 4 * 1024 * 1024;
/** Tries of one insert; a second is needed when a key's job has just gone, a third when yet another is that old. */
const TRIES_MAX = 5;

/** A new job in the form in which it is sent; made once, even if it is sent again. */
export interface JobInsert {
  readonly newJob: NewJob;
  readonly json: string;
  readonly events: readonly EventRecord[];
}

/**
 * Job, spec and event in one statement; of a job whose idempotency key is taken, nothing. Waits for a transaction that is
 * just taking the same key. `$1`: jobs, `$2`: events, both JSON arrays.
 */
const INSERT: Statement = {
  name: "job_insert",
  text: `
    with input as materialized (
      select * from json_to_recordset($1::json) as input(
        ${JOB_COLUMNS.map((column) => `${column} ${JOB_COLUMN_TYPES[column]}`).join(", ")},
        idempotency_key text, name text, labels jsonb, policy jsonb, spec json)
    ), new_key as (
      insert into job_key (tenant_id, key, job_id, created_at)
      select tenant_id, idempotency_key, id, created_at from input where idempotency_key is not null
      on conflict (tenant_id, key) do nothing
      returning job_id
    ), new_spec as (
      insert into job_spec (job_id, tenant_id, created_at, name, labels, policy, spec)
      select id, tenant_id, created_at, name, labels, policy, spec from input
      where idempotency_key is null or id in (select job_id from new_key)
      returning job_id
    ), new_job as (
      insert into job (${JOB_COLUMNS.join(", ")})
      select ${JOB_COLUMNS.join(", ")} from input join new_spec on job_id = id
    ), new_event as (
      ${insertEventsFrom("$2")} join new_spec on job_id = e.subject_id::uuid
    )
    select job_id as id from new_spec`,
};

const KNOWN_KEYS = `
  job_key k join unnest($1::text[], $2::text[]) as asked(tenant_id, key)
    on k.tenant_id = asked.tenant_id and k.key = asked.key`;

/** `$1`: tenants, `$2`: their idempotency keys. One statement sees a job that is just moving in one of its two places. */
const FIND_BY_KEYS: Statement = {
  name: "job_find_by_keys",
  text: `
    select k.key as idempotency_key, stored.*
    from ${KNOWN_KEYS} cross join lateral (
      ${SELECT_JOB} where j.id = k.job_id
      union all
      ${SELECT_FINISHED_JOB} where f.id = k.job_id) as stored`,
};

/** Forgets those of the keys whose jobs were kept for long enough and are gone: a job shows as soon as its key does. */
const FREE_KEYS: Statement = {
  name: "job_free_keys",
  text: `
    delete from job_key where (tenant_id, key) in (select k.tenant_id, k.key from ${KNOWN_KEYS})
      and ${IS_JOB_GONE}`,
};

/** Waiting for their first start, or given to a worker that has not taken them yet. */
const COUNT_QUEUED: Statement = {
  name: "job_count_queued",
  text: `
    select tenant_id, count(*) as count from (
      select tenant_id from job where state = 'pending' and started_attempts = 0
      union all
      select tenant_id from job where state = 'assigned' and started_attempts = 0) as queued
    group by tenant_id`,
};

export function toJobInsert(newJob: NewJob): JobInsert {
  const { job, spec, idempotencyKey, causedBy } = newJob;
  const row = { ...toJobRow(job), idempotency_key: idempotencyKey, ...toSpecColumns(spec) };
  // What a new job does not have yet is left out: the server reads a third less.
  const known = Object.entries(row).filter(([, value]) => value !== null);
  return {
    newJob,
    json: JSON.stringify(Object.fromEntries(known)),
    events: jobEventRecords(job, [{ type: "created", at: job.createdAt, causedBy }]),
  };
}

/** Whether the jobs fit into one statement. */
export function fitsOneStatement(inserts: readonly JobInsert[]): boolean {
  return inserts.length <= ROWS_MAX && sizeOf(inserts) <= SIZE_MAX;
}

/**
 * Stores the jobs with their events. In a transaction, or with jobs that fit one statement: all or none. Results in the
 * order of `inserts`.
 */
export async function insertJobs(
  sql: Sql,
  inserts: readonly JobInsert[],
): Promise<readonly InsertedJob[]> {
  // In one order everywhere, so that two transactions with the same keys do not wait for each other.
  const ordered = inserts.toSorted((a, b) => compareKeys(a.newJob, b.newJob));
  const created = new Set<string>();
  const stored = new Map<string, Job>();
  let left = ordered;
  for (let tries = 1; left.length > 0; tries += 1) {
    invariant(tries <= TRIES_MAX, "a key is free once its job is gone");
    if (tries > 1) await sql.run(FREE_KEYS, keyColumns(left));
    const ids = await Promise.all(chunk(left).map((rows) => insertChunk(sql, rows)));
    for (const id of ids.flat()) created.add(id);
    const known = left.filter(({ newJob }) => !created.has(newJob.job.id));
    if (known.length > 0)
      for (const [key, job] of await findByKeys(sql, known)) stored.set(key, job);
    left = known.filter(({ newJob }) => !stored.has(keyOf(newJob)));
  }
  return inserts.map(({ newJob }) => {
    if (created.has(newJob.job.id)) return { job: newJob.job, created: true };
    const job = stored.get(keyOf(newJob));
    invariant(job !== undefined, "a job is not inserted only if its key is stored");
    return { job, created: false };
  });
}

/**
 * As `insertJobs`, in a transaction, and refuses jobs beyond the limits. Inserts first and counts then, so that repeats of
 * an idempotency key need no room; whoever inserts meanwhile waits for the lock before.
 * @throws PlatformError `resource_exhausted`, reason `queue_full`
 */
export async function insertWithin(
  sql: Sql,
  inserts: readonly JobInsert[],
  limits: QueueLimits,
): Promise<readonly InsertedJob[]> {
  const { tenantCount, totalCount } = limits;
  if (tenantCount === null && totalCount === null) return insertJobs(sql, inserts);
  const tenants = [...new Set(inserts.map(({ newJob }) => newJob.job.tenantId))];
  await lockNames(
    sql,
    totalCount === null ? tenants.map((tenant) => `queue/${tenant}`) : ["queue"],
  );
  const inserted = await insertJobs(sql, inserts);
  const newCount = inserted.filter(({ created }) => created).length;
  if (newCount === 0) return inserted;
  const counts = await countQueued(sql);
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  if (totalCount !== null && total > totalCount) {
    throw queueFull(total - newCount, totalCount, "of all tenants");
  }
  for (const tenant of tenantCount === null ? [] : tenants) {
    const count = counts.get(tenant) ?? 0;
    const own = inserted.filter(({ job, created }) => created && job.tenantId === tenant).length;
    if (own > 0 && count > (tenantCount ?? 0))
      throw queueFull(count - own, tenantCount ?? 0, "of the tenant");
  }
  return inserted;
}

async function countQueued(sql: Sql): Promise<ReadonlyMap<string, number>> {
  const rows = await sql.run<{ readonly tenant_id: string; readonly count: number }>(
    COUNT_QUEUED,
    [],
  );
  return new Map(rows.map(({ tenant_id, count }) => [tenant_id, count]));
}

/** Events of those that were not there before. */
export function createdEvents(
  inserts: readonly JobInsert[],
  inserted: readonly InsertedJob[],
): readonly EventRecord[] {
  return inserts.flatMap(({ events }, index) => (inserted[index]?.created ? events : []));
}

async function insertChunk(sql: Sql, inserts: readonly JobInsert[]): Promise<string[]> {
  const jobs = `[${inserts.map(({ json }) => json).join(",")}]`;
  const events = toEventsJson(inserts.flatMap((insert) => insert.events));
  const rows = await sql.run<{ readonly id: string }>(INSERT, [jobs, events]);
  return rows.map(({ id }) => id);
}

async function findByKeys(
  sql: Sql,
  inserts: readonly JobInsert[],
): Promise<ReadonlyMap<string, Job>> {
  type KeyedRow = StoredJobRow & { readonly idempotency_key: string };
  const rows = await sql.run<KeyedRow>(FIND_BY_KEYS, keyColumns(inserts));
  return new Map(
    rows.map((row) => {
      const job = fromJobRow(row);
      return [keyOf({ job, idempotencyKey: row.idempotency_key }), job];
    }),
  );
}

const keyColumns = (inserts: readonly JobInsert[]): readonly [string[], (string | null)[]] => [
  inserts.map(({ newJob }) => newJob.job.tenantId),
  inserts.map(({ newJob }) => newJob.idempotencyKey),
];

/** Statements' worth of jobs, in their order. */
function chunk(inserts: readonly JobInsert[]): JobInsert[][] {
  const chunks: JobInsert[][] = [];
  let rows: JobInsert[] = [];
  let size = 0;
  for (const insert of inserts) {
    if (rows.length === ROWS_MAX || (rows.length > 0 && size + insert.json.length > SIZE_MAX)) {
      chunks.push(rows);
      rows = [];
      size = 0;
    }
    rows.push(insert);
    size += insert.json.length;
  }
  if (rows.length > 0) chunks.push(rows);
  return chunks;
}

function sizeOf(inserts: readonly JobInsert[]): number {
  return inserts.reduce((size, { json }) => size + json.length, 0);
}

type KeyedJob = Pick<NewJob, "job" | "idempotencyKey">;

const keyOf = ({ job, idempotencyKey }: KeyedJob): string =>
  JSON.stringify([job.tenantId, idempotencyKey]);

/** Those without a key, which wait for nobody, come first. */
function compareKeys(a: KeyedJob, b: KeyedJob): number {
  if (a.idempotencyKey === null || b.idempotencyKey === null) {
    return Number(a.idempotencyKey !== null) - Number(b.idempotencyKey !== null);
  }
  const [keyA, keyB] = [keyOf(a), keyOf(b)];
  if (keyA === keyB) return 0;
  return keyA < keyB ? -1 : 1;
}
