import assert from "node:assert/strict";
import { test } from "node:test";
import { type AttemptRef, type Job, MAX_PREEMPTIONS_PER_JOB, type Outcome } from "@hodei/domain";
import { aJobSpec, FakeProvider } from "@hodei/testkit";
import { cancelJob } from "./cancel-job.ts";
import { ClusterSnapshot } from "./cluster-snapshot.ts";
import { dispatchAssignments } from "./dispatch-assignments.ts";
import { explainJob } from "./explain-job.ts";
import {
  ALICE,
  aPoolMember,
  assign,
  COMPLETED,
  connect,
  connectedWorker,
  FAILED,
  find,
  finish,
  type Peer,
  running,
  settled,
  submit,
  type TestDeps,
  testDeps,
} from "./fixtures.test.ts";
import { LiveWorkers } from "./live-workers.ts";
import { planJob } from "./plan-job.ts";
import { reapStuckCancels, reapWorkers } from "./reap.ts";
import { scheduleJobs } from "./schedule-jobs.ts";

const CANCELLED: Outcome = {
  reason: "cancelled_by",
  exitCode: null,
  signal: "SIGTERM",
  message: "The job was cancelled.",
};
const { requirements } = aJobSpec();
const LARGE = { ...requirements, cpuMillis: 4_000 };
const LOW = { requirements: LARGE, preemptible: true };
const URGENT = { requirements: LARGE, priority: 50 };

/** A worker that is full with one preemptible job, and an urgent job that waits for its place. */
async function preempted(deps: TestDeps) {
  const { peer, workerId } = await connectedWorker(deps);
  const low = await running(deps, peer, LOW);
  const urgent = await submit(deps, URGENT);
  await scheduleJobs(deps);
  await dispatchAssignments(deps);
  await settled();
  return { peer, workerId, urgent, ...low };
}

async function report(peer: Peer, ref: AttemptRef, outcome: Outcome): Promise<void> {
  await peer.session.receive(finish(ref, outcome));
  await settled();
}

const eventsOf = async (deps: TestDeps, { id }: Job) => {
  const filter = { tenantId: null, subjectId: id };
  const { events } = await deps.database.readers.events.list(filter, "", 100);
  return events.map(({ type, causedBy }) => [type, causedBy]);
};

test("a preemptible job is ended on its worker, waits again unharmed, and the urgent one runs first", async () => {
  const deps = testDeps();
  const { peer, job, ref, urgent, workerId } = await preempted(deps);
  assert.deepEqual(
    peer.of("cancel_attempt").map((message) => message.ref),
    [ref],
  );
  assert.equal((await find(deps, job)).state, "running", "until its worker tells of the end");
  await scheduleJobs(deps);
  assert.equal((await find(deps, urgent)).claimedWorkerId, workerId);
  assert.equal((await find(deps, urgent)).version, 2, "nothing is asked for twice");

  await report(peer, ref, CANCELLED);
  const waiting = await find(deps, job);
  assert.deepEqual([waiting.state, waiting.preemptionCount], ["pending", 1]);
  const attempt = await deps.database.readers.attempts.find(job.id, 1);
  assert.deepEqual([attempt?.state, attempt?.outcome?.reason], ["cancelled", "preempted"]);
  assert.match(attempt?.outcome?.message ?? "", new RegExp(`place to job ${urgent.id}`));

  // The older one would come first for its age.
  await deps.clock.advance(60_000 * 120);
  await assign(deps, peer, urgent);
  assert.equal((await find(deps, job)).state, "pending");
  const first = peer.of("assignment").at(-1)?.ref;
  assert.ok(first);
  await report(peer, first, COMPLETED);
  const again = await assign(deps, peer, job);
  assert.equal(again.attempt, 2);
  await report(peer, again, COMPLETED);
  assert.equal((await find(deps, job)).state, "succeeded");
});

test("events say what led to what", async () => {
  const deps = testDeps();
  const { peer, job, ref, urgent } = await preempted(deps);
  await report(peer, ref, CANCELLED);
  assert.deepEqual(await eventsOf(deps, urgent), [
    ["job.created", "request/r1"],
    ["job.room_claimed", "loop/schedule"],
  ]);
  assert.deepEqual((await eventsOf(deps, job)).slice(3), [
    ["job.preempt_requested", `job/${urgent.id}/2`],
    ["job.preempted", `job/${job.id}/4`],
  ]);
});

test("a result that comes first wins", async () => {
  const deps = testDeps();
  const { peer, job, ref } = await preempted(deps);
  await report(peer, ref, COMPLETED);
  assert.equal((await find(deps, job)).state, "succeeded");
});

test("a job that fails by itself meanwhile has failed, and its retry is used up", async () => {
  const deps = testDeps();
  const { peer, job, ref } = await preempted(deps);
  await report(peer, ref, FAILED);
  assert.equal((await find(deps, job)).state, "failed");
});

test("who cancels a job that is giving up its place ends it", async () => {
  const deps = testDeps();
  const { peer, job, ref } = await preempted(deps);
  await cancelJob(deps, ALICE, job.id);
  await dispatchAssignments(deps);
  await settled();
  assert.equal(peer.of("cancel_attempt").length, 1, "its worker knows");
  await report(peer, ref, CANCELLED);
  assert.equal((await find(deps, job)).state, "cancelled");
});

test("a new session is told again; a worker that is lost has given up the place, and its result comes late", async () => {
  const deps = testDeps();
  const { peer, workerId, job, ref } = await preempted(deps);
  await peer.session.close("cut");
  const again = await connect(deps, workerId, [ref]);
  await dispatchAssignments(deps);
  await settled();
  assert.equal(again.of("cancel_attempt").length, 1);
  await again.session.close("cut");
  await deps.clock.advance(deps.settings.reconnectGraceMs + 1);
  await reapWorkers(deps);
  const waiting = await find(deps, job);
  assert.deepEqual([waiting.state, waiting.preemptionCount], ["pending", 1]);
  const late = await connect(deps, workerId, [ref]);
  await report(late, ref, COMPLETED);
  assert.equal(late.of("result_ack").at(-1)?.accepted, false);
  assert.equal((await find(deps, job)).state, "pending");
});

test("a worker that never confirms the end loses the attempt, as with a cancel", async () => {
  const deps = testDeps();
  const { job, urgent } = await preempted(deps);
  const { graceMs } = job.policy.timeouts;
  await deps.clock.advance(deps.settings.cancelTimeoutMs + graceMs - 1);
  await reapStuckCancels(deps);
  assert.equal((await find(deps, job)).state, "running");
  await deps.clock.advance(1);
  await reapStuckCancels(deps);
  const ended = await find(deps, job);
  assert.equal(ended.outcome?.reason, "unkillable");
  assert.match(ended.outcome?.message ?? "", new RegExp(`its place was to go to job ${urgent.id}`));
});

test("an attempt that has not said that it runs may go too", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const low = await submit(deps, LOW);
  const ref = await assign(deps, peer, low);
  await submit(deps, URGENT);
  await scheduleJobs(deps);
  await dispatchAssignments(deps);
  await settled();
  assert.equal(peer.of("cancel_attempt").length, 1);
  await report(peer, ref, CANCELLED);
  const waiting = await find(deps, low);
  assert.deepEqual([waiting.state, waiting.preemptionCount], ["pending", 1]);
});

test("a job gives up its place so often, and then keeps it", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const low = await submit(deps, LOW);
  for (let times = 0; times <= MAX_PREEMPTIONS_PER_JOB; times += 1) {
    const ref = await assign(deps, peer, low);
    await peer.session.receive({ type: "attempt_started", ref });
    await settled();
    const urgent = await submit(deps, URGENT);
    await scheduleJobs(deps);
    const asked = (await find(deps, low)).preemption?.byJobId;
    if (times === MAX_PREEMPTIONS_PER_JOB) {
      assert.equal(asked, undefined);
      continue;
    }
    assert.equal(asked, urgent.id);
    await report(peer, ref, CANCELLED);
    await report(peer, await assign(deps, peer, urgent), COMPLETED);
  }
  assert.equal((await find(deps, low)).state, "running");
});

test("what has changed since the plan was made is planned anew", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job, ref } = await running(deps, peer, LOW);
  const urgent = await submit(deps, URGENT);
  const { workers } = deps.database.readers;
  const list = workers.listLive.bind(workers);
  // The victim ends between the reading and the writing.
  const readers = { ...deps.database.readers };
  const readsOnce = Object.assign(Object.create(workers), {
    listLive: async () => {
      const live = await list();
      const held = await deps.database.readers.jobs.listHeld();
      readers.jobs = Object.assign(Object.create(deps.database.readers.jobs), {
        listHeld: async () => held,
      });
      await report(peer, ref, COMPLETED);
      return live;
    },
  });
  readers.workers = readsOnce;
  const stale = {
    ...deps,
    cluster: new ClusterSnapshot({
      ...deps,
      readers,
      liveWorkers: new LiveWorkers({ ...deps, readers }),
    }),
    database: {
      readers,
      transact: deps.database.transact.bind(deps.database),
      insertJobs: deps.database.insertJobs.bind(deps.database),
      changeJob: deps.database.changeJob.bind(deps.database),
    },
  };
  await scheduleJobs(stale);
  assert.equal((await find(deps, job)).state, "succeeded");
  assert.equal((await find(deps, urgent)).claimedWorkerId, null);
});

test("what both wait for is told, planned as created", async () => {
  const deps = testDeps();
  const { peer, workerId } = await connectedWorker(deps);
  const { job, ref } = await running(deps, peer, LOW);
  const planned = await planJob(deps, ALICE, aJobSpec(URGENT));
  assert.deepEqual(planned.reasons, [
    {
      code: "preempting",
      message: `1 preemptible job on worker ${workerId} will be asked to give up room for it in the scheduler's next turn`,
      workerCount: 1,
    },
  ]);
  const byGrace = new Date(deps.clock.now().getTime() + job.policy.timeouts.graceMs);
  assert.deepEqual(planned.expectedStartAt, byGrace);
  const urgent = await submit(deps, URGENT);
  await scheduleJobs(deps);
  const making = await explainJob(deps, ALICE, urgent.id);
  assert.equal(
    making.summary,
    `Waits: it waits for room that 1 preempted job is giving up on worker ${workerId}.`,
  );
  assert.deepEqual(making.expectedStartAt, byGrace);
  const giving = await explainJob(deps, ALICE, job.id);
  assert.match(giving.summary, new RegExp(`it gives up its place to job ${urgent.id}`));
  await report(peer, ref, CANCELLED);
  await assign(deps, peer, urgent);
  const { reasons } = await explainJob(deps, ALICE, job.id);
  assert.deepEqual(
    reasons.map(({ code }) => code),
    ["preempted", "cpu"],
  );
  assert.match(reasons[0]?.message ?? "", new RegExp(`to job ${urgent.id}.*1 of at most 3 times`));
});

test("a pool that may grow does so first", async () => {
  const deps = testDeps({ pools: [aPoolMember(new FakeProvider(), { maxWorkers: 1 })] });
  const { peer } = await connectedWorker(deps);
  const { job } = await running(deps, peer, LOW);
  await submit(deps, URGENT);
  await scheduleJobs(deps);
  assert.equal((await find(deps, job)).preemption, null);
  await deps.clock.advance(deps.settings.provisionTimeoutMs);
  await scheduleJobs(deps);
  assert.notEqual((await find(deps, job)).preemption, null);
});

test("of two that want the same place one gets it, the higher", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job } = await running(deps, peer, LOW);
  const second = await submit(deps, URGENT);
  const first = await submit(deps, { ...URGENT, priority: 90 });
  await scheduleJobs(deps);
  await scheduleJobs(deps);
  assert.equal((await find(deps, job)).preemption?.byJobId, first.id);
  assert.equal((await find(deps, second)).claimedWorkerId, null);
});
