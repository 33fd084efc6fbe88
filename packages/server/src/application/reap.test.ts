import assert from "node:assert/strict";
import { test } from "node:test";
import { outcomeOf, type ReplicaId } from "@hodei/domain";
import { aJobSpec } from "@hodei/testkit";
import { cancelJob } from "./cancel-job.ts";
import {
  ALICE,
  assign,
  COMPLETED,
  connect,
  connectedWorker,
  find,
  finish,
  logBatch,
  registeredWorker,
  running,
  settled,
  submit,
  type TestDeps,
  testDeps,
} from "./fixtures.test.ts";
import {
  endSilentSessions,
  reapQueueTimeouts,
  reapStuckCancels,
  reapUnacknowledged,
  reapWorkers,
} from "./reap.ts";
import { DEFAULT_SETTINGS } from "./settings.ts";
import { Uptime } from "./uptime.ts";

const RETRY_TWICE = { maxAttempts: 3, baseDelayMs: 0, maxDelayMs: 0, reasons: [] };
const {
  acknowledgeTimeoutMs,
  cancelTimeoutMs,
  reconnectGraceMs,
  orphanGraceMs,
  lostRetentionMs,
  workerSilenceMs,
} = DEFAULT_SETTINGS;

const renew = (deps: TestDeps) =>
  deps.database.transact(({ replicas }) => replicas.renew(deps.replicaId, deps.clock.now()));

/** Lets time pass and reaps as a live replica does. */
async function reapAfter(deps: TestDeps, ms: number): Promise<void> {
  await deps.clock.advance(ms);
  await renew(deps);
  await reapWorkers(deps);
}

test("an assignment that nobody acknowledges goes back to waiting, once the time is over", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const job = await submit(deps);
  const ref = await assign(deps, peer, job);
  await deps.clock.advance(acknowledgeTimeoutMs - 1);
  await reapUnacknowledged(deps);
  assert.equal((await find(deps, job)).state, "assigned");
  await deps.clock.advance(1);
  await reapUnacknowledged(deps);
  assert.equal((await find(deps, job)).state, "pending");
  assert.equal((await deps.database.readers.attempts.find(job.id, 1))?.state, "lost");
  await peer.session.receive({ type: "attempt_started", ref });
  await peer.session.receive(finish(ref, COMPLETED));
  await settled();
  assert.equal((await find(deps, job)).state, "pending");
  assert.equal(peer.of("abandon_attempt").length, 1);
});

test("an unacknowledged assignment whose cancel was asked for is cancelled", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const job = await submit(deps);
  await assign(deps, peer, job);
  await cancelJob(deps, ALICE, job.id);
  await deps.clock.advance(acknowledgeTimeoutMs);
  await reapUnacknowledged(deps);
  assert.equal((await find(deps, job)).state, "cancelled");
});

test("a cancel that its worker does not confirm ends the job as unkillable, and what comes late is refused", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job, ref } = await running(deps, peer, {
    timeouts: { queueMs: null, runMs: null, graceMs: 2_000 },
    retryPolicy: RETRY_TWICE,
  });
  await peer.session.receive({ type: "log_batch", batch: logBatch(ref, 0, "hello") });
  await cancelJob(deps, ALICE, job.id);
  await deps.clock.advance(cancelTimeoutMs + 1_999);
  await reapStuckCancels(deps);
  assert.equal((await find(deps, job)).state, "running");
  await deps.clock.advance(1);
  await reapStuckCancels(deps);
  const ended = await find(deps, job);
  assert.deepEqual(
    [ended.state, ended.outcome?.reason, ended.lease],
    ["failed", "unkillable", null],
  );
  const attempt = await deps.database.readers.attempts.find(job.id, 1);
  assert.deepEqual([attempt?.state, attempt?.logBytes], ["lost", 5]);
  await peer.session.receive(finish(ref, COMPLETED));
  await settled();
  assert.deepEqual(await find(deps, job), ended);
  assert.deepEqual(deps.warnings, ["cancel_not_confirmed", "stale_result_refused"]);
});

test("a worker that has just come back gets time to tell of the end before a cancel is given up", async () => {
  const deps = testDeps();
  const { workerId, peer } = await connectedWorker(deps);
  const { job, ref } = await running(deps, peer);
  await cancelJob(deps, ALICE, job.id);
  await deps.clock.advance(3_600_000);
  await peer.session.close("cut");
  await reapStuckCancels(deps);
  await connect(deps, workerId, [ref]);
  await deps.clock.advance(orphanGraceMs - 1);
  await reapStuckCancels(deps);
  assert.equal((await find(deps, job)).state, "running");
  await deps.clock.advance(1);
  await reapStuckCancels(deps);
  assert.equal((await find(deps, job)).state, "failed");
});

test("a job that waits longer than its queue time-out times out", async () => {
  const deps = testDeps();
  const job = await submit(deps, { timeouts: { queueMs: 1_000, runMs: null, graceMs: 0 } });
  await deps.clock.advance(999);
  await reapQueueTimeouts(deps);
  assert.equal((await find(deps, job)).state, "pending");
  await deps.clock.advance(1);
  await reapQueueTimeouts(deps);
  const ended = await find(deps, job);
  assert.equal(ended.state, "timed_out");
  assert.equal(ended.outcome?.reason, "queue_timeout");
});

test("a job that waits to its deadline ends, and one that runs then gets no longer", async () => {
  const deps = testDeps();
  const deadline = new Date(deps.clock.now().getTime() + 1_000);
  const { requirements } = aJobSpec();
  const never = { ...requirements, arch: "arm64" };
  const waiting = await submit(deps, { deadline, requirements: never });
  const { peer } = await connectedWorker(deps);
  const { job, ref } = await running(deps, peer, { deadline, retryPolicy: RETRY_TWICE });
  assert.equal(peer.of("assignment")[0]?.spec.timeouts.runMs, 1_000);
  await deps.clock.advance(1_000);
  await reapQueueTimeouts(deps);
  assert.equal((await find(deps, waiting)).outcome?.reason, "deadline_exceeded");
  await peer.session.receive(finish(ref, outcomeOf("run_timeout", "longer than 1000 ms")));
  await settled();
  const ended = await find(deps, job);
  assert.equal(ended.state, "timed_out");
  assert.equal(ended.outcome?.reason, "deadline_exceeded");
});

test("a worker that does not come back within its grace is lost, and its job is retried by policy", async () => {
  const deps = testDeps();
  const { workerId, peer } = await connectedWorker(deps);
  const kept = await running(deps, peer, { retryPolicy: RETRY_TWICE });
  const once = await running(deps, peer);
  await peer.session.close("cut");
  await reapAfter(deps, reconnectGraceMs);
  assert.equal((await find(deps, kept.job)).state, "running");
  await reapAfter(deps, 1);
  assert.equal((await deps.database.readers.workers.get(workerId)).state, "lost");
  assert.equal((await find(deps, kept.job)).state, "pending");
  const failed = await find(deps, once.job);
  assert.equal(failed.state, "failed");
  assert.equal(failed.outcome?.reason, "worker_lost");
});

test("a job whose cancel was asked for is cancelled when its worker is lost", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job } = await running(deps, peer, { retryPolicy: RETRY_TWICE });
  await cancelJob(deps, ALICE, job.id);
  await peer.session.close("cut");
  await reapAfter(deps, reconnectGraceMs + 1);
  assert.equal((await find(deps, job)).state, "cancelled");
});

test("a lost worker that wakes up is told to abandon, and its late result is refused", async () => {
  const deps = testDeps();
  const { workerId, peer } = await connectedWorker(deps);
  const { job, ref } = await running(deps, peer);
  await peer.session.close("silent");
  await reapAfter(deps, reconnectGraceMs + 1);
  const before = await find(deps, job);
  const again = await connect(deps, workerId, [ref]);
  await again.session.receive(finish(ref, COMPLETED));
  await settled();
  assert.equal(again.of("abandon_attempt").length, 1);
  assert.equal(again.of("result_ack")[0]?.accepted, false);
  assert.equal(deps.statistics.lateResultCount, 1);
  assert.deepEqual(await find(deps, job), before);
  assert.equal((await deps.database.readers.workers.get(workerId)).state, "ready");
});

test("workers of a dead server get their time from when somebody is there to connect to", async () => {
  const deps = testDeps();
  const { workerId, peer } = await connectedWorker(deps);
  const { job } = await running(deps, peer);
  await renew(deps);
  const next = { ...deps, replicaId: "99999999-0000-7000-8000-000000000001" as ReplicaId };
  await reapAfter(next, 3_600_000);
  assert.equal((await find(deps, job)).state, "running");
  await reapAfter(next, orphanGraceMs);
  assert.equal((await find(deps, job)).state, "running");
  await reapAfter(next, 1);
  assert.equal((await find(deps, job)).state, "failed");
  await reapAfter(next, 24 * lostRetentionMs * 60 + 1);
  assert.equal((await deps.database.readers.workers.get(workerId)).state, "terminated");
});

test("a worker that is gone soon after the start of its server is lost as at any other time", async () => {
  const deps = testDeps();
  await deps.clock.advance(1_000);
  const started = { ...deps, uptime: new Uptime(deps.clock.now()) };
  await deps.clock.advance(1_000);
  const { peer, workerId } = await connectedWorker(started);
  const { job } = await running(started, peer, { retryPolicy: RETRY_TWICE });
  await peer.session.close("cut");
  await reapAfter(started, reconnectGraceMs);
  assert.equal((await find(deps, job)).state, "running");
  await reapAfter(started, 1);
  assert.equal((await find(deps, job)).state, "pending");
  assert.equal((await deps.database.readers.workers.get(workerId)).state, "lost");
});

test("a worker that was cut off before its server started gets time from the start", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job } = await running(deps, peer);
  await peer.session.close("cut");
  await deps.clock.advance(reconnectGraceMs);
  const restarted = { ...deps, uptime: new Uptime(deps.clock.now()) };
  await reapAfter(restarted, orphanGraceMs);
  assert.equal((await find(deps, job)).state, "running");
  await reapAfter(restarted, 1);
  assert.equal((await find(deps, job)).state, "failed");
});

test("a worker that registered and never opened a session is terminated", async () => {
  const deps = testDeps();
  const workerId = await registeredWorker(deps);
  await reapAfter(deps, 60_001);
  assert.equal((await deps.database.readers.workers.get(workerId)).state, "terminated");
});

test("a session that is silent for too long is ended; one with heartbeats is not", async () => {
  const deps = testDeps();
  const silent = await connectedWorker(deps);
  const live = await connectedWorker(deps);
  await deps.clock.advance(workerSilenceMs);
  await live.peer.session.receive({ type: "heartbeat", capacity: null, metrics: null });
  await deps.clock.advance(1);
  await endSilentSessions(deps);
  await silent.peer.ended;
  assert.equal(deps.sessions.find(live.workerId) !== undefined, true);
});

test("after the clock was set back, a worker that is gone is lost as soon as otherwise", async () => {
  const uptime = new Uptime(new Date(testDeps().clock.now().getTime() + 3_600_000));
  const deps = testDeps({ uptime });
  const { peer } = await connectedWorker(deps);
  const { job } = await running(deps, peer);
  await peer.session.close("its machine lost power");
  const { pollIntervalMs, reconnectGraceMs, orphanGraceMs } = deps.settings;
  for (let passedMs = 0; passedMs <= orphanGraceMs + 60_000; passedMs += pollIntervalMs) {
    await deps.clock.advance(pollIntervalMs);
    // As `renewReplica` does.
    uptime.confirm(deps.clock.now(), deps.clock.now(), reconnectGraceMs);
    await deps.database.transact(({ replicas }) =>
      replicas.renew(deps.replicaId, deps.clock.now()),
    );
    await reapWorkers(deps);
  }
  assert.equal((await find(deps, job)).outcome?.reason, "worker_lost");
});
