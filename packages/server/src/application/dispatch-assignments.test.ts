import assert from "node:assert/strict";
import { test } from "node:test";
import type { Database, Job } from "@hodei/domain";
import { dispatchAssignments } from "./dispatch-assignments.ts";
import {
  COMPLETED,
  connectedWorker,
  finish,
  running,
  settled,
  submit,
  type TestDeps,
  testDeps,
} from "./fixtures.test.ts";
import { scheduleJobs } from "./schedule-jobs.ts";

/** The database as a turn sees it that read these jobs a moment ago. */
function havingRead({ database }: TestDeps, jobs: readonly Job[]): Database {
  const stale = Object.create(database.readers.jobs, {
    listOfWorkers: { value: async () => jobs },
  });
  const readers = Object.create(database.readers, { jobs: { value: stale } });
  return Object.create(database, { readers: { value: readers } });
}

test("an attempt that ended while its job was being read is not sent again", async () => {
  const deps = testDeps();
  const { workerId, peer } = await connectedWorker(deps);
  await submit(deps);
  await scheduleJobs(deps);
  const jobs = await deps.database.readers.jobs.listOfWorkers([workerId]);
  await dispatchAssignments(deps);
  await settled();
  const [assignment] = peer.of("assignment");
  assert.ok(assignment);
  await peer.session.receive({ type: "attempt_started", ref: assignment.ref });
  await peer.session.receive(finish(assignment.ref, COMPLETED));
  await settled();
  await dispatchAssignments({ ...deps, database: havingRead(deps, jobs) });
  await settled();
  assert.equal(peer.of("assignment").length, 1);
});

test("what was sent for an attempt is forgotten once its end can be read", async () => {
  const deps = testDeps();
  const { workerId, peer } = await connectedWorker(deps);
  const { ref } = await running(deps, peer);
  const session = deps.sessions.find(workerId);
  assert.equal(session?.sentAssignments.has(ref.leaseToken), true);
  await peer.session.receive(finish(ref, COMPLETED));
  await settled();
  await dispatchAssignments(deps);
  assert.equal(session?.sentAssignments.size, 0);
});
