import assert from "node:assert/strict";
import { test } from "node:test";
import type { Database } from "@hodei/domain";
import { aJobSpec } from "@hodei/testkit";
import { ALICE, connectedWorker, find, submit, type TestDeps, testDeps } from "./fixtures.test.ts";
import { scheduleJobs } from "./schedule-jobs.ts";
import { drainWorker } from "./workers.ts";

/** Schedules as a leader that is overtaken: `meanwhile` happens between its plan and the storing of it. */
async function scheduleOvertaken(deps: TestDeps, meanwhile: () => Promise<unknown>): Promise<void> {
  const { readers } = deps.database;
  const database: Database = {
    readers,
    insertJobs: (jobs) => deps.database.insertJobs(jobs),
    transact: async (work) => {
      await meanwhile();
      return deps.database.transact(work);
    },
  };
  await scheduleJobs({ ...deps, database });
}

const WHOLE_WORKER = { ...aJobSpec().requirements, cpuMillis: 4_000 };

test("two that schedule at once do not give a worker more than it has", async () => {
  const deps = testDeps();
  await connectedWorker(deps);
  const planned = await submit(deps, { requirements: WHOLE_WORKER });
  await scheduleOvertaken(deps, async () => {
    await submit(deps, { requirements: WHOLE_WORKER, priority: 1 });
    await scheduleJobs(deps);
  });
  assert.equal((await deps.database.readers.jobs.listHeld()).length, 1);
  assert.equal((await find(deps, planned)).state, "pending");
});

test("nothing is placed on a worker that was drained after the plan was made", async () => {
  const deps = testDeps();
  const { workerId } = await connectedWorker(deps);
  const job = await submit(deps);
  await scheduleOvertaken(deps, () => drainWorker(deps, ALICE, workerId));
  assert.equal((await find(deps, job)).state, "pending");
});
