import assert from "node:assert/strict";
import { test } from "node:test";
import { cancelJob } from "./cancel-job.ts";
import {
  ALICE,
  COMPLETED,
  connectedWorker,
  FAILED,
  finish,
  running,
  settled,
  submit,
  type TestDeps,
  testDeps,
} from "./fixtures.test.ts";
import { reapWorkers } from "./reap.ts";
import { drainWorker } from "./workers.ts";

const TWICE = {
  maxAttempts: 2,
  baseDelayMs: 0,
  maxDelayMs: 0,
  reasons: ["non_zero_exit", "worker_lost"],
} as const;

/** Type and cause of each event of one subject, and what they share. */
async function causesOf(deps: TestDeps, subjectId: string) {
  const filter = { tenantId: null, subjectId };
  const { events } = await deps.database.readers.events.list(filter, "", 100);
  return {
    causes: events.map(({ type, version, causedBy }) => [type, version, causedBy]),
    correlationIds: new Set(events.map(({ correlationId }) => correlationId)),
  };
}

test("every event of a job has the correlation id of the call that made it, and a cause", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job, ref } = await running(deps, peer, { retryPolicy: TWICE });
  await peer.session.receive(finish(ref, FAILED));
  await settled();
  await cancelJob(deps, { ...ALICE, requestId: "r2", correlationId: "c2" }, job.id);
  const { causes, correlationIds } = await causesOf(deps, job.id);
  assert.deepEqual(correlationIds, new Set(["c1"]));
  assert.deepEqual(causes, [
    ["job.created", 1, "request/r1"],
    ["job.assigned", 2, `job/${job.id}/1`],
    ["job.started", 3, `job/${job.id}/2`],
    ["job.retry_scheduled", 4, `job/${job.id}/3`],
    ["job.cancelled", 5, "request/r2"],
  ]);
});

test("what happens to jobs because their worker is lost is caused by its loss", async () => {
  const deps = testDeps();
  const { workerId, peer } = await connectedWorker(deps);
  const { job } = await running(deps, peer);
  await peer.session.close("cut");
  await deps.clock.advance(deps.settings.reconnectGraceMs + 1);
  await reapWorkers(deps);
  const worker = await deps.database.readers.workers.get(workerId);
  const { causes } = await causesOf(deps, job.id);
  assert.deepEqual(causes.at(-1), ["job.failed", 4, `worker/${workerId}/${worker.version}`]);
});

test("what a call does to a worker is caused by it", async () => {
  const deps = testDeps();
  const { workerId, peer } = await connectedWorker(deps);
  await drainWorker(deps, { ...ALICE, requestId: "r3" }, workerId);
  await peer.session.close("left");
  assert.deepEqual((await causesOf(deps, workerId)).causes, [
    ["worker.created", 1, "request/r1"],
    ["worker.registered", 2, `worker/${workerId}/1`],
    ["worker.connected", 3, `worker/${workerId}/2`],
    ["worker.drain_requested", 4, "request/r3"],
    ["worker.terminated", 5, `worker/${workerId}/4`],
  ]);
});

test("a job that ends well is caused by its start", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job, ref } = await running(deps, peer);
  await peer.session.receive(finish(ref, COMPLETED));
  await settled();
  const other = await submit(deps);
  assert.deepEqual((await causesOf(deps, job.id)).causes.at(-1), [
    "job.succeeded",
    4,
    `job/${job.id}/3`,
  ]);
  assert.equal((await causesOf(deps, other.id)).causes.length, 1);
});
