import assert from "node:assert/strict";
import { test } from "node:test";
import type { Database } from "@hodei/domain";
import { aJobSpec } from "@hodei/testkit";
import { dispatchAssignments } from "./dispatch-assignments.ts";
import {
  ALICE,
  connectedWorker,
  find,
  settled,
  submit,
  type TestDeps,
  testDeps,
} from "./fixtures.test.ts";
import { scheduleJobs } from "./schedule-jobs.ts";
import { drainWorker } from "./workers.ts";

/** Schedules as a leader that is overtaken: `meanwhile` happens between its plan and the storing of it. */
async function scheduleOvertaken(deps: TestDeps, meanwhile: () => Promise<unknown>): Promise<void> {
  const { readers } = deps.database;
  const database: Database = {
    readers,
    insertJobs: (jobs) => deps.database.insertJobs(jobs),
    changeJob: (change) => deps.database.changeJob(change),
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

test("what was placed is sent at once to a session that is here, and once", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const jobs = [await submit(deps), await submit(deps)];
  await scheduleJobs(deps);
  await dispatchAssignments(deps);
  await settled();
  assert.deepEqual(
    peer.of("assignment").map(({ ref }) => ref.jobId),
    jobs.map(({ id }) => id),
  );
});

test("a job whose specs cannot be read when it is placed is sent by the next dispatch", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const job = await submit(deps);
  const { jobs } = deps.database.readers;
  const { getSpecs } = jobs;
  jobs.getSpecs = () => Promise.reject(new Error("the database is away"));
  await scheduleJobs(deps);
  jobs.getSpecs = getSpecs;
  await settled();
  assert.equal(peer.of("assignment").length, 0);
  assert.deepEqual(deps.warnings, ["assignments_not_sent"]);
  await dispatchAssignments(deps);
  await settled();
  assert.equal(peer.of("assignment")[0]?.ref.jobId, job.id);
});
