import assert from "node:assert/strict";
import { test } from "node:test";
import { type LeaseToken, PlatformError, type ReplicaId, type WorkerStatus } from "@hodei/domain";
import { MemoryLogStore, someWorkerFacts } from "@hodei/testkit";
import { cancelJob } from "./cancel-job.ts";
import { explainJob } from "./explain-job.ts";
import {
  ALICE,
  assign,
  COMPLETED,
  connect,
  connectedWorker,
  FAILED,
  find,
  finish,
  logBatch,
  registeredWorker,
  running,
  settled,
  submit,
  testDeps,
} from "./fixtures.test.ts";
import { reapUnacknowledged } from "./reap.ts";
import { scheduleJobs } from "./schedule-jobs.ts";
import { listWorkers } from "./workers.ts";

test("a job goes to a worker, starts, logs and ends with the worker's result", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job, ref } = await running(deps, peer);
  assert.equal((await find(deps, job)).state, "running");
  await peer.session.receive({ type: "log_batch", batch: logBatch(ref, 0, "hello\n") });
  await peer.session.receive(finish(ref, COMPLETED, 6));
  await settled();
  const ended = await find(deps, job);
  assert.deepEqual(
    { state: ended.state, attempt: ended.attempt, outcome: ended.outcome, lease: ended.lease },
    { state: "succeeded", attempt: 1, outcome: COMPLETED, lease: null },
  );
  assert.deepEqual(peer.of("log_ack"), [{ type: "log_ack", ack: { ref, offset: 6 } }]);
  assert.deepEqual(peer.of("result_ack"), [{ type: "result_ack", ref, accepted: true }]);
  const attempt = await deps.database.readers.attempts.find(job.id, 1);
  assert.equal(attempt?.state, "succeeded");
  assert.equal(attempt?.logBytes, 6);
});

test("messages of one attempt are worked on in order even when they come at once", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const job = await submit(deps);
  const ref = await assign(deps, peer, job);
  await Promise.all([
    peer.session.receive({ type: "attempt_started", ref }),
    peer.session.receive({ type: "log_batch", batch: logBatch(ref, 0, "a") }),
    peer.session.receive({ type: "log_batch", batch: logBatch(ref, 1, "b") }),
    peer.session.receive(finish(ref, COMPLETED, 2)),
  ]);
  await settled();
  assert.equal((await find(deps, job)).state, "succeeded");
  assert.equal(await deps.logs.durableOffset(job.id, 1), 2);
});

test("a result that comes before its log is not answered, and taken when it comes again after it", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job, ref } = await running(deps, peer);
  await peer.session.receive({ type: "log_batch", batch: logBatch(ref, 0, "a") });
  await peer.session.receive(finish(ref, COMPLETED, 2));
  await settled();
  assert.equal((await find(deps, job)).state, "running");
  assert.deepEqual(peer.of("result_ack"), []);
  await peer.session.receive({ type: "log_batch", batch: logBatch(ref, 1, "b") });
  await peer.session.receive(finish(ref, COMPLETED, 2));
  await settled();
  assert.equal((await find(deps, job)).state, "succeeded");
});

test("a database that is away ends the session and is told once, however many messages wait", async () => {
  class AwayLogStore extends MemoryLogStore {
    override async append(): Promise<never> {
      throw new PlatformError("unavailable", "database_unavailable", "it is away");
    }
  }
  const memory = testDeps();
  const deps = { ...memory, logs: new AwayLogStore({ database: memory.database }) };
  const { peer } = await connectedWorker(deps);
  const { ref } = await running(deps, peer);
  for (let offset = 0; offset < 10; offset += 1) {
    await peer.session.receive({ type: "log_batch", batch: logBatch(ref, offset, "x") });
  }
  await peer.ended;
  await settled();
  assert.deepEqual(deps.warnings, ["session_failed"]);
});

test("a repeated result is acked again and changes nothing", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job, ref } = await running(deps, peer);
  await peer.session.receive(finish(ref, COMPLETED));
  await settled();
  const before = await find(deps, job);
  await peer.session.receive(finish(ref, FAILED));
  await settled();
  assert.deepEqual(await find(deps, job), before);
  assert.deepEqual(
    peer.of("result_ack").map(({ accepted }) => accepted),
    [true, true],
  );
});

test("a result under another lease is refused and counted", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job, ref } = await running(deps, peer);
  const stale = { ...ref, leaseToken: "99999999-0000-4000-8000-000000000000" as LeaseToken };
  await peer.session.receive(finish(stale, COMPLETED));
  await settled();
  assert.equal((await find(deps, job)).state, "running");
  assert.equal(peer.of("result_ack")[0]?.accepted, false);
  assert.deepEqual(deps.warnings, ["stale_result_refused"]);
});

test("a cancel that came since the start is still there after the result", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job, ref } = await running(deps, peer);
  const { version } = await cancelJob(deps, ALICE, job.id);
  await peer.session.receive(finish(ref, FAILED));
  await settled();
  const ended = await find(deps, job);
  assert.deepEqual(peer.of("result_ack"), [{ type: "result_ack", ref, accepted: true }]);
  assert.equal(ended.state, "failed");
  assert.equal(ended.cancelRequest?.by, ALICE.name);
  assert.equal(ended.version, version + 1);
});

test("a start that comes after the assignment was taken back is told to end", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const job = await submit(deps);
  const ref = await assign(deps, peer, job);
  await deps.clock.advance(deps.settings.acknowledgeTimeoutMs);
  await reapUnacknowledged(deps);
  await peer.session.receive({ type: "attempt_started", ref });
  await settled();
  assert.equal((await find(deps, job)).state, "pending");
  assert.deepEqual(peer.of("abandon_attempt"), [{ type: "abandon_attempt", ref }]);
});

test("one worker cannot finish, start or log into the attempt of another", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job, ref } = await running(deps, peer);
  const { peer: thief } = await connectedWorker(deps);
  await thief.session.receive({ type: "attempt_started", ref });
  await thief.session.receive(finish(ref, COMPLETED));
  await settled();
  assert.equal((await find(deps, job)).state, "running");
  assert.equal(thief.of("abandon_attempt").length, 1);
  assert.equal(thief.of("result_ack")[0]?.accepted, false);
});

test("a failed attempt is retried as its policy says, then its job fails", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const retryPolicy = { maxAttempts: 2, baseDelayMs: 1_000, maxDelayMs: 60_000, reasons: [] };
  const { job, ref } = await running(deps, peer, { retryPolicy });
  await peer.session.receive(finish(ref, FAILED));
  await settled();
  const waiting = await find(deps, job);
  assert.equal(waiting.state, "pending");
  assert.equal(waiting.runAt.getTime() - deps.clock.now().getTime(), 500);
  assert.equal((await scheduleJobs(deps))?.getTime(), waiting.runAt.getTime());
  await deps.clock.advance(500);
  const second = await assign(deps, peer, job);
  assert.equal(second.attempt, 2);
  await peer.session.receive({ type: "attempt_started", ref: second });
  await peer.session.receive(finish(second, FAILED));
  await settled();
  assert.equal((await find(deps, job)).state, "failed");
  const events = await deps.database.readers.events.list({ tenantId: null }, "", 1_000);
  const types = events.events.filter(({ subjectId }) => subjectId === job.id).map((e) => e.type);
  assert.deepEqual(types, [
    "job.created",
    "job.assigned",
    "job.started",
    "job.retry_scheduled",
    "job.assigned",
    "job.started",
    "job.retries_exhausted",
    "job.failed",
  ]);
});

test("a refused assignment goes back to waiting without using up an attempt that may start", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const job = await submit(deps);
  const ref = await assign(deps, peer, job);
  await peer.session.receive({ type: "attempt_refused", ref, message: "draining" });
  await settled();
  const waiting = await find(deps, job);
  assert.deepEqual(
    { state: waiting.state, started: waiting.startedAttempts, attempt: waiting.attempt },
    { state: "pending", started: 0, attempt: 1 },
  );
});

test("a worker that comes back goes on with what it holds, from the durable offset", async () => {
  const deps = testDeps();
  const { workerId, peer } = await connectedWorker(deps);
  const { job, ref } = await running(deps, peer);
  await peer.session.receive({ type: "log_batch", batch: logBatch(ref, 0, "abc") });
  await settled();
  await peer.session.close("cut");
  await deps.clock.advance(1_000);
  const again = await connect(deps, workerId, [ref]);
  await settled();
  assert.deepEqual(again.of("welcome")[0]?.logAcks, [{ ref, offset: 3 }]);
  assert.equal(again.of("assignment").length, 0);
  await again.session.receive(finish(ref, COMPLETED, 3));
  await settled();
  assert.equal((await find(deps, job)).state, "succeeded");
});

test("a running attempt that a returning worker no longer knows is lost", async () => {
  const deps = testDeps();
  const { workerId, peer } = await connectedWorker(deps);
  const { job } = await running(deps, peer);
  await connect(deps, workerId, []);
  const ended = await find(deps, job);
  assert.equal(ended.state, "failed");
  assert.equal(ended.outcome?.reason, "worker_lost");
});

test("an assignment lost on its way is sent again by the next session", async () => {
  const deps = testDeps();
  const { workerId, peer } = await connectedWorker(deps);
  const job = await submit(deps);
  const ref = await assign(deps, peer, job);
  const again = await connect(deps, workerId, []);
  assert.deepEqual(await assign(deps, again, job), ref);
});

test("an attempt of a hello that moved on is abandoned", async () => {
  const deps = testDeps();
  const { workerId, peer } = await connectedWorker(deps);
  const { ref } = await running(deps, peer);
  await peer.session.receive(finish(ref, COMPLETED));
  await settled();
  const again = await connect(deps, workerId, [ref]);
  await settled();
  assert.deepEqual(again.of("abandon_attempt"), [{ type: "abandon_attempt", ref }]);
});

test("a second session ends the first, whose close then says nothing about the worker", async () => {
  const deps = testDeps();
  const { workerId, peer } = await connectedWorker(deps);
  await deps.clock.advance(1);
  await connect(deps, workerId);
  await peer.ended;
  await peer.session.close("ended by the second");
  assert.equal((await deps.database.readers.workers.get(workerId)).connectBy, null);
});

test("the first session may close while the second opens", async () => {
  const deps = testDeps();
  const { workerId, peer } = await connectedWorker(deps);
  await deps.clock.advance(1);
  await Promise.all([connect(deps, workerId), peer.session.close("cut")]);
  const worker = await deps.database.readers.workers.get(workerId);
  assert.equal(worker.connectBy, null);
  assert.equal(worker.state, "ready");
});

test("a terminated worker may not come back", async () => {
  const deps = testDeps();
  const { workerId, peer } = await connectedWorker(deps);
  await peer.session.receive({ type: "going_away" });
  await settled();
  await peer.session.close("left");
  assert.equal((await deps.database.readers.workers.get(workerId)).state, "terminated");
  await assert.rejects(connect(deps, workerId), { code: "permission_denied" });
});

test("a worker that is going away gets nothing new", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  await peer.session.receive({ type: "going_away" });
  await settled();
  const job = await submit(deps);
  await scheduleJobs(deps);
  assert.equal((await find(deps, job)).state, "pending");
});

test("a worker that only registered gets nothing", async () => {
  const deps = testDeps();
  await registeredWorker(deps);
  const job = await submit(deps);
  await scheduleJobs(deps);
  assert.equal((await find(deps, job)).state, "pending");
});

test("a worker with attempts is listed as busy, one without as ready", async () => {
  const deps = testDeps();
  const idle = await connectedWorker(deps);
  const list = async (status: WorkerStatus) => {
    const { items } = await listWorkers(deps, ALICE, [status], { limit: 10, token: null });
    return items.map(({ worker }) => worker.id);
  };
  assert.deepEqual([await list("ready"), await list("busy")], [[idle.workerId], []]);
  await running(deps, idle.peer);
  assert.deepEqual([await list("ready"), await list("busy")], [[], [idle.workerId]]);
});

test("a worker whose session is at another replica, and that said that its disk is full, is given nothing", async () => {
  const leader = testDeps();
  const replicaId = "99999999-0000-7000-8000-000000000001" as ReplicaId;
  const other = testDeps({ database: leader.database, replicaId });
  const facts = someWorkerFacts();
  const { peer, workerId } = await connectedWorker(other, facts);
  const heartbeat = async (diskBytes: number) => {
    const capacity = { ...facts.capacity, diskBytes };
    await peer.session.receive({ type: "heartbeat", capacity, metrics: null });
    await settled();
    leader.signals.notifyAll();
    await scheduleJobs(leader);
  };
  const job = await submit(leader);
  await heartbeat(0);
  assert.equal((await find(leader, job)).attempt, 0);
  const { version } = await leader.database.readers.workers.get(workerId);
  await heartbeat(0);
  assert.equal((await leader.database.readers.workers.get(workerId)).version, version);
  await heartbeat(facts.capacity.diskBytes);
  assert.equal((await find(leader, job)).state, "assigned");
  await heartbeat(facts.capacity.diskBytes - 1);
  assert.equal((await leader.database.readers.workers.get(workerId)).version, version + 1);
});

test("a capacity that could not be stored is stored with the next heartbeat", async () => {
  const deps = testDeps();
  const { peer, workerId } = await connectedWorker(deps);
  const { database } = deps;
  const capacity = { ...someWorkerFacts().capacity, diskBytes: 0 };
  const heartbeat = async () => {
    await peer.session.receive({ type: "heartbeat", capacity, metrics: null });
    await settled();
    return (await database.readers.workers.get(workerId)).facts?.capacity.diskBytes;
  };
  const transact = database.transact.bind(database);
  database.transact = () =>
    Promise.reject(new PlatformError("unavailable", "database_unavailable", "it is away"));
  assert.notEqual(await heartbeat(), 0);
  database.transact = transact;
  assert.equal(await heartbeat(), 0);
});

test("a job that workers refuse again and again waits longer each time, and says so", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const job = await submit(deps);
  const pauses: number[] = [];
  for (let count = 0; count < 10; count += 1) {
    const ref = await assign(deps, peer, job);
    await peer.session.receive({ type: "attempt_refused", ref, message: "its GPU is held" });
    await settled();
    const { runAt } = await find(deps, job);
    pauses.push(Math.max(0, runAt.getTime() - deps.clock.now().getTime()));
    const [reason] = (await explainJob(deps, ALICE, job.id)).reasons;
    assert.equal(reason?.code, count === 0 ? "next_turn" : "retry_delay");
    await deps.clock.advance(pauses.at(-1) ?? 0);
  }
  assert.deepEqual(pauses, [0, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
});
