import assert from "node:assert/strict";
import { test } from "node:test";
import { someWorkerFacts } from "@hodei/testkit";
import { explainJob } from "./explain-job.ts";
import { ALICE, assign, connectedWorker, find, submit, testDeps } from "./fixtures.test.ts";
import { scheduleJobs } from "./schedule-jobs.ts";
import { getWorker } from "./workers.ts";

const { capacity } = someWorkerFacts();
const METRICS = {
  cpuUtilization: 0.25,
  load: [1, 2, 3],
  memoryAvailableBytes: 1,
  disks: [],
  networkReceivedBytes: 2,
  networkSentBytes: 3,
  droppedLogBytes: 4,
  eventLoopDelayMs: 5,
};

test("a worker shows what its last heartbeats measured", async () => {
  const deps = testDeps();
  const { workerId, peer } = await connectedWorker(deps);
  assert.equal((await getWorker(deps, ALICE, workerId)).metrics, null);
  await peer.session.receive({ type: "heartbeat", capacity, metrics: METRICS });
  const reportedAt = deps.clock.now();
  await peer.session.receive({ type: "heartbeat", capacity: null, metrics: null });
  assert.deepEqual((await getWorker(deps, ALICE, workerId)).metrics, { ...METRICS, reportedAt });
});

test("a worker without free disk gets no jobs until it has some", async () => {
  const deps = testDeps();
  const { workerId, peer } = await connectedWorker(deps);
  const full = { ...capacity, diskBytes: 0 };
  await peer.session.receive({ type: "heartbeat", capacity: full, metrics: null });
  assert.deepEqual((await getWorker(deps, ALICE, workerId)).capacity, full);
  const job = await submit(deps);
  await scheduleJobs(deps);
  assert.equal((await find(deps, job)).state, "pending");
  const [reason] = (await explainJob(deps, ALICE, job.id)).reasons;
  assert.equal(reason?.code, "disk_full");
  assert.equal(reason.message, "1 of 1 workers have too little free disk to take jobs");
  await peer.session.receive({ type: "heartbeat", capacity, metrics: null });
  await assign(deps, peer, job);
});
