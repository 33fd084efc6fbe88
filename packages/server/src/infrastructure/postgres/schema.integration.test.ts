import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  ATTEMPT_TRANSITIONS,
  EXIT_REASONS,
  JOB_TRANSITIONS,
  WORKER_TRANSITIONS,
} from "@hodei/domain";
import { AttemptState, ExitReason, JobState } from "@hodei/proto/hodei/v1/job";
import { WorkerState } from "@hodei/proto/hodei/v1/worker";
import { createTestDatabase, type TestDatabase } from "@hodei/testkit";
import pg from "pg";
import { ATTEMPT_COLUMN_TYPES } from "./attempt-reader.ts";
import { JOB_COLUMN_TYPES } from "./job-row.ts";
import { migrate } from "./migrate.ts";

let database: TestDatabase;
let client: pg.Client;

before(async () => {
  database = await createTestDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});

after(async () => {
  await client.end();
  await database.drop();
});

/** Words that a check constraint allows. */
async function allowedBy(constraint: string): Promise<string[]> {
  const { rows } = await client.query<{ definition: string }>(
    "select pg_get_constraintdef(oid) as definition from pg_constraint where conname = $1",
    [constraint],
  );
  return [...(rows[0]?.definition ?? "").matchAll(/'(\w+)'::text/g)].map(([, word = ""]) => word);
}

async function columnTypes(table: string): Promise<Readonly<Record<string, string>>> {
  const { rows } = await client.query<{ name: string; type: string }>(
    `select attname as name, format_type(atttypid, atttypmod) as type
    from pg_attribute where attrelid = $1::regclass and attnum > 0`,
    [table],
  );
  const short = (type: string) => (type === "timestamp with time zone" ? "timestamptz" : type);
  return Object.fromEntries(rows.map(({ name, type }) => [name, short(type)]));
}

/** Names of an enum of the contract, without its zero, as the domain spells them. */
function namesOf(contractEnum: Readonly<Record<string, number>>): string[] {
  const names = Object.keys(contractEnum).filter((name) => contractEnum[name] !== 0);
  return names.map((name) => name.toLowerCase());
}

const sameWords = (actual: readonly string[], expected: readonly string[]) =>
  assert.deepEqual(actual.toSorted(), expected.toSorted());

test("job states are the same in domain, schema and contract", async () => {
  sameWords(await allowedBy("job_state_check"), Object.keys(JOB_TRANSITIONS));
  sameWords(namesOf(JobState), Object.keys(JOB_TRANSITIONS));
});

test("attempt states are the same in domain, schema and contract", async () => {
  sameWords(await allowedBy("attempt_state_check"), Object.keys(ATTEMPT_TRANSITIONS));
  sameWords(namesOf(AttemptState), Object.keys(ATTEMPT_TRANSITIONS));
});

test("worker states are the same in domain, schema and contract, which also knows busy", async () => {
  sameWords(await allowedBy("worker_state_check"), Object.keys(WORKER_TRANSITIONS));
  sameWords(namesOf(WorkerState), [...Object.keys(WORKER_TRANSITIONS), "busy"]);
});

test("exit reasons are the same in domain, schema and contract", async () => {
  sameWords(await allowedBy("job_outcome_reason_check"), Object.keys(EXIT_REASONS));
  sameWords(await allowedBy("attempt_outcome_reason_check"), Object.keys(EXIT_REASONS));
  sameWords(namesOf(ExitReason), Object.keys(EXIT_REASONS));
});

test("the columns that statements name are those of the table", async () => {
  assert.deepEqual(await columnTypes("job"), JOB_COLUMN_TYPES);
  assert.deepEqual(await columnTypes("attempt"), ATTEMPT_COLUMN_TYPES);
  const spec = { name: "text", labels: "jsonb", policy: "jsonb", spec: "json" };
  assert.deepEqual(await columnTypes("finished_job"), {
    kept_until: "timestamptz",
    ...JOB_COLUMN_TYPES,
    ...spec,
  });
  const finishedAttempt = { kept_until: "timestamptz", ...ATTEMPT_COLUMN_TYPES };
  assert.deepEqual(await columnTypes("finished_attempt"), finishedAttempt);
});

test("every table says whose its rows are", async () => {
  const { rows } = await client.query<{ name: string }>(`
    select relname as name from pg_class c
    where relkind = 'r' and relnamespace = 'public'::regnamespace and relname <> 'migration'
      and not exists (
        select from pg_attribute where attrelid = c.oid and attname = 'tenant_id' and attnotnull)`);
  assert.deepEqual(rows, []);
});

test("all indexes of the hot table but its key are of some of its jobs only", async () => {
  const { rows } = await client.query<{ definition: string }>(`
    select pg_get_indexdef(indexrelid) as definition from pg_index
    where indrelid = 'job'::regclass and not indisprimary and indpred is null`);
  assert.deepEqual(rows, []);
});

test("migrating is done once, however many start at once", async () => {
  assert.deepEqual(await migrate(database.url), []);
  const url = new URL(database.url);
  const fresh = `${url.pathname.slice(1)}_fresh`;
  url.pathname = `/${fresh}`;
  await client.query(`create database ${fresh}`);
  try {
    const applied = await Promise.all([1, 2, 3].map(() => migrate(url.href)));
    assert.deepEqual(applied.flat(), ["0001_initial"]);
  } finally {
    await client.query(`drop database ${fresh}`);
  }
});

test("tables that a newer server added to are accepted, those beyond us are refused", async () => {
  await client.query("insert into migration (name, run_on) values ('0002_newer', now())");
  await client.query("alter table worker add column newer text");
  assert.deepEqual(await migrate(database.url), []);
  await client.query("update schema_floor set step = 2");
  const refused = { code: "failed_precondition", reason: "schema_too_new" };
  await assert.rejects(migrate(database.url), refused);
  await client.query("update schema_floor set step = 1");
  await client.query("delete from migration where name = '0002_newer'");
  await client.query("alter table worker drop column newer");
});

test("a server that cannot be reached is told as such", async () => {
  const nowhere = { host: "/nowhere", port: 1, database: "d", user: "u" };
  await assert.rejects(migrate(nowhere), { code: "unavailable", reason: "database_unreachable" });
});
