import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isPlatformError, type PlatformError } from "@hodei/domain";
import { aNewJob, startTestPostgres, type TestPostgres } from "@hodei/testkit";
import pg from "pg";
import { PostgresDatabase } from "./postgres-database.ts";
import { waitUntilReachable } from "./wait-until-reachable.ts";

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

test("a transaction whose connection is cut fails as unavailable; the next one works", async () => {
  const { job } = aNewJob();
  await assert.rejects(
    database.transact(async ({ jobs }) => {
      await jobs.find(job.id);
      await cutConnections();
      await jobs.find(job.id);
    }),
    { code: "unavailable" },
  );
  assert.equal(await database.transact(({ jobs }) => jobs.find(job.id)), undefined);
});

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
    results[2]?.status === "rejected" && isPlatformError(results[2].reason, "internal"),
    "the driver's error is translated",
  );
});

test("a server that is not there is waited for until the caller gives up", async () => {
  const giveUp = new AbortController();
  const errors: PlatformError[] = [];
  const waiting = waitUntilReachable({
    address: NOWHERE,
    signal: giveUp.signal,
    onUnreachable: (error) => {
      errors.push(error);
      if (errors.length === 2) giveUp.abort();
    },
  });
  await assert.rejects(waiting, { code: "cancelled" });
  assert.ok(errors.every((error) => isPlatformError(error, "unavailable")));
  await assert.rejects(
    new PostgresDatabase({ address: NOWHERE, onCommit: () => undefined }).start(),
    {
      code: "unavailable",
    },
  );
});

test("a server that refuses us is not waited for", async () => {
  const noSuchDatabase = new URL(url);
  noSuchDatabase.pathname = "/no_such_database";
  const { signal } = new AbortController();
  const options = { signal, onUnreachable: () => assert.fail("waits") };
  await waitUntilReachable({ address: url, ...options });
  await assert.rejects(waitUntilReachable({ address: noSuchDatabase.href, ...options }), {
    code: "failed_precondition",
    reason: "database_refused",
  });
});
