import { randomUUID } from "node:crypto";
import pg from "pg";

/** The baseline of creating jobs: what a program could do that had PostgreSQL and nothing else. */
export interface BareInserts {
  /** One for each connection: stores one job and resolves to 1. */
  readonly inserts: readonly (() => Promise<number>)[];
  /** Empties all tables with jobs, the server's too, so that every measurement starts from the same. */
  forgetJobs(): Promise<void>;
  close(): Promise<void>;
}

/** In the order in which the server locks them. */
const TABLES = ["job", "job_spec", "attempt", "job_key", "event"];

/**
 * Key, job, spec and event of one row each in one statement. `$1`: name, `$2`: labels, `$3`: policy, `$4`: spec,
 * `$5`: idempotency key, `$6`: correlation id.
 */
const INSERT = {
  name: "bare_insert",
  text: `
    with input as materialized (select uuidv7() as id, clock_timestamp() as at),
    new_key as (
      insert into bench.job_key (tenant_id, key, job_id, created_at) select 'default', $5, id, at from input
    ), new_spec as (
      insert into bench.job_spec (job_id, tenant_id, created_at, name, labels, policy, spec)
      select id, 'default', at, $1, $2::jsonb, $3::jsonb, $4::json from input
    ), new_job as (
      insert into bench.job (id, tenant_id, state, version, attempt, started_attempts, is_blocked, priority,
        preemption_count, run_at, urgent_since, created_at, correlation_id)
      select id, 'default', 'pending', 1, 0, 0, false, 0, 0, at, at, at, $6 from input
    )
    insert into bench.event (tenant_id, subject_type, subject_id, version, type, at, correlation_id,
      caused_by, data)
    select 'default', 'job', id::text, 1, 'job.created', at, $6, 'request:' || $6, '{}' from input`,
};

/**
 * Bare inserts into the server's database: tables of the same make beside the server's own, and the same data as in the
 * job that it holds.
 */
export async function openBareInserts(
  connectionString: string,
  connectionCount: number,
): Promise<BareInserts> {
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString });
    await client.connect();
    return client;
  };
  const admin = await connect();
  await admin.query("create schema bench");
  for (const table of TABLES) {
    await admin.query(`create table bench.${table} (like ${table} including all)`);
  }
  const sample = await admin.query<Record<"name" | "labels" | "policy" | "spec", string>>(
    "select name, labels::text, policy::text, spec::text from job_spec limit 1",
  );
  const [job] = sample.rows;
  if (job === undefined) throw new Error("the server holds a job to take the data from");
  const fixed = [job.name, job.labels, job.policy, job.spec];
  const clients = await Promise.all(Array.from({ length: connectionCount }, connect));
  return {
    inserts: clients.map((client) => async () => {
      await client.query({ ...INSERT, values: [...fixed, randomUUID(), randomUUID()] });
      return 1;
    }),
    forgetJobs: async () => {
      const all = TABLES.flatMap((table) => [table, `bench.${table}`]);
      await admin.query(`truncate ${all.join(", ")}`);
    },
    close: async () => {
      await Promise.all([admin, ...clients].map((client) => client.end()));
    },
  };
}
