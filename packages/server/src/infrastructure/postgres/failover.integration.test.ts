import assert from "node:assert/strict";
import { after, before, beforeEach, suite, type TestContext, test } from "node:test";
import {
  aNewJob,
  type LinkedDatabase,
  linkDatabase,
  startTestPostgres,
  type TestPostgres,
  waitFor,
} from "@hodei/testkit";
import pg from "pg";
import { DatabaseSockets } from "./database-sockets.ts";
import { DatabaseWatch, type OldSnapshot } from "./database-watch.ts";
import { PostgresLeadership } from "./leadership.ts";
import { PostgresNotifier } from "./notifier.ts";
import { PostgresDatabase } from "./postgres-database.ts";

/** More connections than a test needs at once, so that each of its calls is cut off on one. */
const CONNECTIONS_MAX = 4;
/** Usually 3 s until the watch has noticed, and 3 s more for each attempt to connect anew that leads nowhere. */
const FAIL_WITHIN_MS = 20_000;
/** The promise is 5 s; a busy machine may need longer. */
const BACK = { timeoutMs: 20_000, what: "the database" };

/** Longer than the watch's patience with a database that says nothing. */
const SLOW_MS = 4_000;
const FIND_SLOW = `
  select from pg_stat_activity
  where wait_event_type = 'Lock' and query_start < clock_timestamp() - $1 * interval '1 ms'`;

let postgres: TestPostgres;
before(async () => {
  postgres = await startTestPostgres();
});
after(() => postgres.stop());

suite("a network that fails between server and database", () => {
  let network: LinkedDatabase;
  let sockets: DatabaseSockets;
  let watch: DatabaseWatch;
  let database: PostgresDatabase;
  let notifier: PostgresNotifier;
  let leadership: PostgresLeadership;
  let wakeCount = 0;

  before(async () => {
    network = await linkDatabase((await postgres.createDatabase()).url);
    sockets = new DatabaseSockets();
    const address = sockets.watched(network.url);
    const onTrouble = () => undefined;
    const snapshots = { snapshotLimitMs: 60_000, onOldSnapshot: () => undefined };
    watch = new DatabaseWatch({ address, sockets, onTrouble, ...snapshots });
    notifier = new PostgresNotifier({ address, onTrouble });
    notifier.onNotify(() => {
      wakeCount += 1;
    });
    leadership = new PostgresLeadership({ address, name: "test", onHeld: onTrouble, onTrouble });
    const onCommit = () => undefined;
    database = new PostgresDatabase({ address, onCommit, connectionsMax: CONNECTIONS_MAX });
    for (const part of [watch, database, notifier, leadership]) await part.start();
  });

  after(async () => {
    await Promise.all([leadership.stop(), notifier.stop(), database.stop(), watch.stop()]);
    sockets.endAll();
    await network.stop();
  });

  async function connect(context: TestContext): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: network.url });
    await client.connect();
    context.after(() => client.end());
    return client;
  }

  const read = () => database.readers.jobs.find(aNewJob().job.id);
  const isBack = () =>
    read().then(
      () => true,
      () => false,
    );

  /** Everything is connected, idle, and led. */
  beforeEach(async () => {
    network.link.state = "open";
    await waitFor(isBack, BACK);
    await waitFor(() => leadership.epoch() !== undefined, BACK);
    await Promise.all(Array.from({ length: CONNECTIONS_MAX }, read));
  });

  for (const state of ["swallowed", "refused"] as const) {
    test(`calls fail as unavailable while it is ${state}, and nothing is led`, async () => {
      network.link.state = state;
      const startedAtMs = performance.now();
      const calls = [
        ...Array.from({ length: CONNECTIONS_MAX }, read),
        database.insertJobs([aNewJob()]),
        database.transact(({ jobs }) => jobs.find(aNewJob().job.id)),
      ];
      const results = await Promise.allSettled<unknown>(calls);
      assert.deepEqual(
        results.map(codeOf),
        calls.map(() => "unavailable"),
      );
      const tookMs = performance.now() - startedAtMs;
      assert.ok(tookMs < FAIL_WITHIN_MS, `${tookMs} ms`);
      await waitFor(() => leadership.epoch() === undefined, { timeoutMs: FAIL_WITHIN_MS });
    });

    test(`after it was ${state}, calls, the lead and notifications are back by themselves`, async (context) => {
      const epoch = leadership.epoch() ?? 0;
      network.link.state = state;
      await assert.rejects(read(), { code: "unavailable" });
      const wakesBefore = wakeCount;
      network.link.state = "open";
      const openedAtMs = performance.now();
      await waitFor(isBack, BACK);
      await waitFor(() => wakeCount > wakesBefore, { ...BACK, what: "the catch-up" });
      await waitFor(() => (leadership.epoch() ?? 0) > epoch, { ...BACK, what: "the lead" });
      context.diagnostic(`back after ${Math.round(performance.now() - openedAtMs)} ms`);
    });
  }

  test("connections that a failover left open with nobody at the other end are replaced", async (context) => {
    // Bytes on open connections vanish for good, but whoever connects anew finds the new server.
    network.link.state = "swallowed";
    network.link.state = "open";
    const startedAtMs = performance.now();
    // Each once more, on a connection to the new server.
    await Promise.all(Array.from({ length: CONNECTIONS_MAX }, read));
    const tookMs = performance.now() - startedAtMs;
    assert.ok(tookMs < FAIL_WITHIN_MS, `${tookMs} ms`);
    context.diagnostic(`replaced after ${Math.round(tookMs)} ms`);
  });

  test("a statement that is slow is waited for: the database answers the watch meanwhile", async (context) => {
    const [client, observer] = await Promise.all([connect(context), connect(context)]);
    const { job } = aNewJob();
    await database.insertJobs([aNewJob()]);
    await client.query("begin");
    await client.query("select from job where id = $1 for update", [job.id]);
    const locked = database.transact(({ jobs }) => jobs.lock(job.id));
    await waitFor(async () => (await observer.query(FIND_SLOW, [SLOW_MS])).rowCount, BACK);
    await client.query("commit");
    assert.equal((await locked).id, job.id);
  });
});

test("a transaction that somebody holds open is told about", async (context) => {
  const { url } = await postgres.createDatabase();
  const holder = new pg.Client({ connectionString: url, application_name: "report" });
  await holder.connect();
  context.after(() => holder.end());
  await holder.query("begin isolation level repeatable read");
  await holder.query("select from job");
  await waitFor(async () => {
    const { rows } = await holder.query<{ ms: number }>(
      "select extract(epoch from clock_timestamp() - now())::float8 * 1000 as ms",
    );
    return (rows[0]?.ms ?? 0) > 50;
  });
  const found = Promise.withResolvers<OldSnapshot>();
  const watch = new DatabaseWatch({
    address: url,
    sockets: new DatabaseSockets(),
    snapshotLimitMs: 50,
    onOldSnapshot: found.resolve,
    onTrouble: found.reject,
  });
  context.after(() => watch.stop());
  await watch.start();
  const { application, state, ageMs } = await found.promise;
  assert.deepEqual([application, state], ["report", "idle in transaction"]);
  assert.ok(ageMs >= 50);
});

const codeOf = (result: PromiseSettledResult<unknown>): unknown =>
  result.status === "rejected" ? result.reason.code : "stored";
