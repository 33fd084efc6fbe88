import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isPlatformError, type JobId, type PlatformError } from "@hodei/domain";
import { aNewJob, startTestPostgres, type TestPostgres } from "@hodei/testkit";
import pg from "pg";
import { migrate } from "./migrate.ts";
import { PostgresDatabase } from "./postgres-database.ts";
import { whenAvailable } from "./when-available.ts";

const NOWHERE = { host: "/nowhere", port: 1, database: "d", user: "u" };

let postgres: TestPostgres;
let url: string;
let client: pg.Client;
let database: PostgresDatabase;

before(async () => {
  postgres = await startTestPostgres();
  ({ url } = await postgres.createDatabase());
  client = new pg.Client({ connectionString: url });
  await client.connect();
  database = new PostgresDatabase({ address: url, onCommit: () => undefined, connectionsMax: 2 });
  await database.start();
});

after(async () => {
  await database.stop();
  await database.stop();
  await client.end();
  await postgres.stop();
});

async function cutConnections(): Promise<void> {
  await client.query(`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`);
}

test("a transaction whose connection is cut before its commit is done again", async () => {
  const { job } = aNewJob();
  let tries = 0;
  const found = await database.transact(async ({ jobs }) => {
    tries += 1;
    await jobs.find(job.id);
    if (tries === 1) await cutConnections();
    return jobs.find(job.id);
  });
  assert.deepEqual([found, tries], [undefined, 2]);
});

test("one whose connection is cut each time fails as unavailable after five tries", async () => {
  const { job } = aNewJob();
  let tries = 0;
  const work = database.transact(async ({ jobs }) => {
    tries += 1;
    await jobs.find(job.id);
    await cutConnections();
    await jobs.find(job.id);
  });
  await assert.rejects(work, { code: "unavailable" });
  assert.equal(tries, 5);
});

for (const [name, sqlstate, reason] of [
  ["deadlocks", "40P01", "deadlock"],
  ["serialization failures", "40001", "serialization_failure"],
] as const) {
  test(`transactions and single statements are done again after ${name}, five times at most`, async () => {
    await failInserts(sqlstate, 2);
    await database.insertJobs([aNewJob({ id: idOf(sqlstate, 1) })]);
    await failInserts(sqlstate, 4);
    await database.transact(({ jobs }) => jobs.insert([aNewJob({ id: idOf(sqlstate, 2) })]));
    await failInserts(sqlstate, 5);
    const refused = database.insertJobs([aNewJob({ id: idOf(sqlstate, 3) })]);
    await assert.rejects(refused, { code: "conflict", reason });
    await failInserts(sqlstate, 0);
  });
}

const idOf = (sqlstate: string, n: number) =>
  `00000000-0000-7000-8000-0000${sqlstate === "40001" ? "a" : "b"}000000${n}` as JobId;

/** Lets the next `count` inserts of jobs fail. A sequence counts them, which no rollback takes back. */
async function failInserts(sqlstate: string, count: number): Promise<void> {
  await client.query(`
    drop sequence if exists failure cascade;
    create sequence failure;
    create or replace function fail_insert() returns trigger language plpgsql as $$
    begin
      if nextval('failure') <= ${count} then raise exception 'as told' using errcode = '${sqlstate}'; end if;
      return new;
    end $$;
    create or replace trigger fail_insert before insert on job for each statement execute function fail_insert()`);
}

test("idle connections that are cut hurt nobody", async () => {
  const { job } = aNewJob();
  await Promise.all([1, 2].map(() => database.readers.jobs.find(job.id)));
  await cutConnections();
  await client.query("select 1");
  const read = () => database.readers.jobs.find(job.id);
  await Promise.allSettled([read(), read()]);
  assert.equal(await read(), undefined);
});

test("a bad row fails alone, whatever is wrong with it", async () => {
  const ids = ["1", "2", "3", "4"].map((n) => `00000000-0000-7000-8000-00000000000${n}`);
  const newJobs = ids.map((id) => aNewJob({ id: id as ReturnType<typeof aNewJob>["job"]["id"] }));
  const [first, second, third, fourth] = newJobs;
  assert.ok(first && second && third && fourth);
  const bad = { ...third, spec: { ...third.spec, name: "nul \0" } };
  const results = await Promise.allSettled(
    [first, second, bad, fourth].map((newJob) => database.insertJobs([newJob])),
  );
  assert.deepEqual(
    results.map(({ status }) => status),
    ["fulfilled", "fulfilled", "rejected", "fulfilled"],
  );
  assert.ok(
    results[2]?.status === "rejected" && isPlatformError(results[2].reason, "invalid_argument"),
    "the driver's error is translated",
  );
});

test("a server that is not there is waited for until the caller gives up", async () => {
  const giveUp = new AbortController();
  const errors: PlatformError[] = [];
  const onUnavailable = (error: PlatformError) => {
    errors.push(error);
    if (errors.length === 2) giveUp.abort();
  };
  const options = { limitMs: 60_000, signal: giveUp.signal, onUnavailable };
  await assert.rejects(
    whenAvailable(options, () => migrate(NOWHERE)),
    { code: "cancelled" },
  );
  assert.ok(errors.every((error) => isPlatformError(error, "unavailable")));
  await assert.rejects(
    new PostgresDatabase({ address: NOWHERE, onCommit: () => undefined }).start(),
    { code: "unavailable" },
  );
});

test("a server that is not there is waited for up to the limit", async () => {
  const pauses: number[] = [];
  const onUnavailable = (_error: PlatformError, nextTryInMs: number) => pauses.push(nextTryInMs);
  const options = { limitMs: 250, signal: new AbortController().signal, onUnavailable };
  await assert.rejects(
    whenAvailable(options, () => migrate(NOWHERE)),
    { code: "unavailable", reason: "database_unreachable" },
  );
  assert.ok(pauses.reduce((sum, ms) => sum + ms, 0) <= 250, `${pauses}`);
});

test("a server that refuses us is not waited for", async () => {
  const noSuchDatabase = new URL(url);
  noSuchDatabase.pathname = "/no_such_database";
  const { signal } = new AbortController();
  const options = { limitMs: 60_000, signal, onUnavailable: () => assert.fail("waits") };
  await assert.rejects(
    whenAvailable(options, () => migrate(noSuchDatabase.href)),
    { code: "failed_precondition", reason: "database_refused" },
  );
});
