import { type EventRecord, type Job, type JobChange, jobEventRecords } from "@hodei/domain";
import { insertEventsFrom, toEventsJson } from "./append-events.ts";
import {
  ATTEMPT_COLUMN_TYPES,
  ATTEMPT_COLUMNS,
  type AttemptRow,
  toAttemptRow,
} from "./attempt-reader.ts";
import { CHANGING_JOB_COLUMNS, JOB_COLUMN_TYPES, toJobRow } from "./job-row.ts";
import type { Sql, Statement } from "./sql.ts";

/** What an attempt keeps from its first row on. */
const FIXED_ATTEMPT_COLUMNS: readonly (keyof AttemptRow)[] = [
  "job_id",
  "number",
  "tenant_id",
  "worker_id",
  "lease_token",
  "assigned_at",
];

const definitionOf = (types: Readonly<Record<string, string>>): string =>
  Object.entries(types)
    .map(([column, type]) => `${column} ${type}`)
    .join(", ");

/**
 * Jobs, their attempts and events in one statement, so alone it is a transaction. A job that is not at its version any more
 * is left out with all that belongs to it. Rows are locked in the order of their ids, here and in `LOCK_ATTEMPTS`, so that
 * two who change the same ones do not wait for each other; each row is asked for by itself, so that no plan goes through the
 * table, of whose size nobody may have told the planner. `$1`: jobs, `$2`: attempts, `$3`: events, all JSON arrays; `$4`: ids of
 * the jobs, `$5`: their old versions.
 */
const CHANGE: Statement = {
  name: "job_change",
  text: `
    with input as materialized (
      select * from json_to_recordset($1::json) as input(${definitionOf(JOB_COLUMN_TYPES)})
    ), locked as materialized (
      select j.id from (select * from unnest($4::uuid[], $5::integer[]) as k(id, version) order by id) k, lateral (
        select id from job where job.id = k.id and job.version = k.version for no key update) j
    ), changed as (
      update job
      set version = job.version + 1, ${CHANGING_JOB_COLUMNS.map((column) => `${column} = input.${column}`).join(", ")}
      from input join locked on locked.id = input.id
      where job.id = input.id
      returning job.id
    ), stored_attempt as (
      insert into attempt (${ATTEMPT_COLUMNS.join(", ")})
      select ${ATTEMPT_COLUMNS.map((column) => `a.${column}`).join(", ")}
      from json_to_recordset($2::json) as a(${definitionOf(ATTEMPT_COLUMN_TYPES)})
      join changed on changed.id = a.job_id
      order by a.job_id
      on conflict (job_id, number) do update
      set ${ATTEMPT_COLUMNS.filter((column) => !FIXED_ATTEMPT_COLUMNS.includes(column))
        .map((column) => `${column} = excluded.${column}`)
        .join(", ")}
    ), appended as (
      ${insertEventsFrom("$3")} join changed on changed.id = e.subject_id::uuid
    )
    select id from changed`,
};

/** Jobs as they are stored once their changes are. */
export interface ChangedJobs {
  /** `undefined` for one that was changed by somebody else since, of which nothing is stored. */
  readonly jobs: readonly (Job | undefined)[];
  /** Of those that are stored. */
  readonly events: readonly EventRecord[];
}

/** Stores the changes, each of another job. Results in their order. */
export async function changeJobs(sql: Sql, changes: readonly JobChange[]): Promise<ChangedJobs> {
  if (changes.length === 0) return { jobs: [], events: [] };
  const next = changes.map(({ job, events }) => {
    const stored: Job = { ...job, version: job.version + 1 };
    return { stored, events: jobEventRecords(stored, events) };
  });
  const rows = await sql.run<{ readonly id: string }>(CHANGE, [
    JSON.stringify(changes.map(({ job }) => toJobRow(job))),
    JSON.stringify(changes.map(({ attempt }) => toAttemptRow(attempt))),
    toEventsJson(next.flatMap(({ events }) => events)),
    changes.map(({ job }) => job.id),
    changes.map(({ job }) => job.version),
  ]);
  const ids = new Set<string>(rows.map(({ id }) => id));
  return {
    jobs: next.map(({ stored }) => (ids.has(stored.id) ? stored : undefined)),
    events: next.flatMap(({ stored, events }) => (ids.has(stored.id) ? events : [])),
  };
}
