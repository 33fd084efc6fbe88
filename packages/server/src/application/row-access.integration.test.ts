import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { createTestDatabase, type TestDatabase, waitFor } from "@hodei/testkit";
import pg from "pg";
import type { Planning } from "../infrastructure/postgres/connection.ts";
import { newLogStore } from "../infrastructure/postgres/log-store-fixtures.test.ts";
import { PostgresDatabase } from "../infrastructure/postgres/postgres-database.ts";
import { dispatchAssignments } from "./dispatch-assignments.ts";
import {
  assign,
  COMPLETED,
  connectedWorker,
  finish,
  logBatch,
  type Peer,
  submit,
  type TestDeps,
  testDeps,
} from "./fixtures.test.ts";
import type { Signals } from "./signals.ts";

/** After as many runs a connection keeps the plan of a statement. */
const WARM_UP_COUNT = 12;
/** Fewer than autovacuum analyzes for, so that plans go by what the tables were like at first. */
const ROW_COUNT = 5_000;

let ownDatabase: TestDatabase;
let observer: pg.Client;
beforeEach(async () => {
  ownDatabase = await createTestDatabase();
  observer = new pg.Client({ connectionString: ownDatabase.url });
  await observer.connect();
});
afterEach(async () => {
  await observer.end();
  await ownDatabase.drop();
});

/** From its submission to its stored end, with a log. */
async function runOne(deps: TestDeps, peer: Peer): Promise<void> {
  const job = await submit(deps);
  const ref = await assign(deps, peer, job);
  await peer.session.receive({ type: "attempt_started", ref });
  await peer.session.receive({ type: "log_batch", batch: logBatch(ref, 0, "line\n") });
  await peer.session.receive(finish(ref, COMPLETED, 5));
  await waitFor(() => peer.of("result_ack").find((ack) => ack.ref.jobId === job.id));
  await dispatchAssignments(deps);
}

/** Adds rows like those that are there, of jobs that are over, to all that a job has. */
async function addRows(): Promise<void> {
  await observer.query(`
    create temporary table more as
    select j.id, gen_random_uuid() as new_id from (select id from job limit 1) j, generate_series(1, ${ROW_COUNT})`);
  for (const [table, column] of [
    ["job", "id"],
    ["job_spec", "job_id"],
    ["attempt", "job_id"],
    ["log_chunk", "job_id"],
  ]) {
    await observer.query(`
      insert into ${table} select made.* from more join ${table} t on t.${column} = more.id,
        jsonb_populate_record(t, jsonb_build_object('${column}', more.new_id)) as made`);
  }
}

/** Rows that were read one after the other rather than found by an index, by table. */
async function readRows(): Promise<Record<string, number>> {
  const { rows } = await observer.query<{ table: string; count: number }>(`
    select relname as table, seq_tup_read::integer as count from pg_stat_user_tables
    where relname in ('job', 'job_spec', 'attempt') or relname like 'log\\_chunk%'`);
  return Object.fromEntries(rows.map(({ table, count }) => [table, count]));
}

const isAlone = async (): Promise<boolean> => {
  const { rows } = await observer.query(`
    select from pg_stat_activity
    where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()`);
  return rows.length === 0;
};

/** Runs `work` with a database and a worker; when it resolves, all that was read has been counted. */
async function withDeps(
  planning: Planning,
  work: (deps: TestDeps, peer: Peer) => Promise<void>,
): Promise<void> {
  const { url } = ownDatabase;
  let signals: Signals | undefined;
  const database = new PostgresDatabase({
    address: url,
    connectionsMax: 2,
    planning,
    onCommit: (events) => signals?.onCommit(events),
  });
  const logs = newLogStore(url);
  await database.start();
  const deps = testDeps({ database, logs } as never);
  signals = deps.signals;
  try {
    const { peer } = await connectedWorker(deps);
    await work(deps, peer);
  } finally {
    await Promise.all([database.stop(), logs.stop()]);
  }
  await waitFor(isAlone);
}

for (const planning of ["once", "as_needed"] as const) {
  test(`the life of a job, planned ${planning}, reads its own rows, whatever else the tables hold and no statistics tell`, async () => {
    await withDeps(planning, async (deps, peer) => {
      for (let count = 0; count < WARM_UP_COUNT; count += 1) await runOne(deps, peer);
      await addRows();
      for (let count = 0; count < 3; count += 1) await runOne(deps, peer);
    });
    for (const [table, count] of Object.entries(await readRows())) {
      assert.ok(count < ROW_COUNT, `${count} rows of ${table} were read one after the other`);
    }
  });
}
