import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  createTestDatabase,
  ManualClock,
  someWorkerFacts,
  type TestDatabase,
} from "@hodei/testkit";
import pg from "pg";
import { PostgresDatabase } from "../infrastructure/postgres/postgres-database.ts";
import { connectedWorker, submit, testDeps } from "./fixtures.test.ts";
import { keepRecords } from "./keep-records.ts";
import { FinishedJobsMove } from "./move-finished-jobs.ts";
import { scheduleJobs } from "./schedule-jobs.ts";
import { Signals } from "./signals.ts";

let ownDatabase: TestDatabase;
let observer: pg.Client;
let database: PostgresDatabase;
const signals = new Signals(new ManualClock());

before(async () => {
  ownDatabase = await createTestDatabase();
  observer = new pg.Client({ connectionString: ownDatabase.url });
  await observer.connect();
  database = new PostgresDatabase({ address: ownDatabase.url, onCommit: signals.onCommit });
  await database.start();
});

after(async () => {
  await database.stop();
  await observer.end();
  await ownDatabase.drop();
});

test("what counted against rate limits long ago is forgotten, though its keys are never used again", async () => {
  const deps = testDeps({ database: database as never, signals });
  const capacity = {
    ...someWorkerFacts().capacity,
    cpuMillis: 1_000_000,
    memoryBytes: 2 ** 45,
    attemptCount: 100,
  };
  await connectedWorker(deps, { capacity });
  for (let number = 0; number < 20; number += 1) {
    await submit(deps, { rateLimit: { key: `commit-${number}`, count: 1, perMs: 1_000 } });
    await scheduleJobs(deps);
    await deps.clock.advance(86_400_000);
    await new FinishedJobsMove(deps).run();
    await keepRecords(deps);
  }
  const { rows } = await observer.query("select count(*)::integer as count from rate_start");
  assert.ok(rows[0].count <= 2, `${rows[0].count} starts are kept, of which none counts any more`);
});
