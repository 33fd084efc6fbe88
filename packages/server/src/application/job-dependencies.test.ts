import assert from "node:assert/strict";
import { test } from "node:test";
import type { DependencyCondition, Job, JobId, Outcome, TenantId } from "@hodei/domain";
import { isPlatformError } from "@hodei/domain";
import { aJobSpec } from "@hodei/testkit";
import { cancelJob } from "./cancel-job.ts";
import { createJob } from "./create-job.ts";
import { explainJob } from "./explain-job.ts";
import {
  ALICE,
  COMPLETED,
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
import { planJob } from "./plan-job.ts";
import { reapQueueTimeouts } from "./reap.ts";
import { DependentsRelease } from "./release-dependents.ts";
import { scheduleJobs } from "./schedule-jobs.ts";

const afterEach = (jobs: readonly Job[], condition: DependencyCondition = "succeeded") => ({
  after: jobs.map(({ id }) => ({ jobId: id, condition })),
});

async function end(deps: TestDeps, peer: Peer, outcome: Outcome): Promise<Job> {
  const { job, ref } = await running(deps, peer);
  await peer.session.receive(finish(ref, outcome));
  await settled();
  return find(deps, job);
}

test("a chain runs one after the other", async () => {
  const deps = testDeps();
  const release = new DependentsRelease(deps);
  const { peer } = await connectedWorker(deps);
  const { job: first, ref } = await running(deps, peer);
  const second = await submit(deps, afterEach([first]));
  const third = await submit(deps, afterEach([second]));
  await release.run();
  await scheduleJobs(deps);
  assert.equal((await find(deps, second)).state, "pending");
  await deps.clock.advance(100);
  await peer.session.receive(finish(ref, COMPLETED));
  await settled();
  // Its end is known here: nothing waits for the poll.
  await release.run();
  await scheduleJobs(deps);
  const released = await find(deps, second);
  assert.equal(released.state, "assigned");
  assert.deepEqual(released.urgentSince, deps.clock.now(), "waiting for others is not waiting");
  assert.equal((await find(deps, third)).isBlocked, true);
});

test("a job that moved out of the way since it ended is waited for as any other", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const first = await end(deps, peer, COMPLETED);
  await deps.clock.advance(deps.settings.finishedSettleMs);
  const moved = await deps.database.transact(({ jobs }) =>
    jobs.moveFinished(deps.clock.now(), 10, () => deps.clock.now()),
  );
  assert.equal(moved, 1);
  const job = await submit(deps, afterEach([first]));
  assert.deepEqual([job.isBlocked, job.state], [false, "pending"]);
  const never = await submit(deps, afterEach([first], "failed"));
  assert.equal(never.outcome?.reason, "dependency_failed");
});

test("a job waits for all that it names", async () => {
  const deps = testDeps();
  const release = new DependentsRelease(deps);
  const { peer } = await connectedWorker(deps);
  const [one, two] = [await running(deps, peer), await running(deps, peer)];
  const job = await submit(deps, afterEach([one.job, two.job]));
  await peer.session.receive(finish(one.ref, COMPLETED));
  await settled();
  await release.run();
  assert.equal((await find(deps, job)).isBlocked, true);
  const { listOf } = deps.database.readers.dependencies;
  const left = await listOf.call(deps.database.readers.dependencies, [job.id]);
  assert.deepEqual(
    left.map(({ afterId }) => afterId),
    [two.job.id],
  );
  await peer.session.receive(finish(two.ref, COMPLETED));
  await settled();
  await release.run();
  assert.equal((await find(deps, job)).isBlocked, false);
});

test("when a job ends otherwise, those that wait for its success end, and theirs after them", async () => {
  const deps = testDeps();
  const release = new DependentsRelease(deps);
  const { peer } = await connectedWorker(deps);
  const { job: first, ref } = await running(deps, peer);
  const second = await submit(deps, afterEach([first]));
  const third = await submit(deps, afterEach([second], "any"));
  const fourth = await submit(deps, afterEach([second]));
  const onFailure = await submit(deps, afterEach([first], "failed"));
  await release.run();
  await peer.session.receive(finish(ref, FAILED));
  await settled();
  await release.run();
  const ended = await find(deps, second);
  assert.equal(ended.state, "cancelled");
  assert.deepEqual(
    [ended.outcome?.reason, ended.outcome?.message],
    ["dependency_failed", `job ${first.id} was to succeed, and has ended as failed`],
  );
  assert.equal((await find(deps, onFailure)).isBlocked, false);
  await release.run();
  assert.equal((await find(deps, third)).isBlocked, false);
  assert.equal((await find(deps, fourth)).outcome?.reason, "dependency_failed");
});

test("what has ended already holds at once, or never", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const succeeded = await end(deps, peer, COMPLETED);
  const failed = await end(deps, peer, FAILED);
  const held = await submit(deps, afterEach([succeeded]));
  assert.deepEqual([held.state, held.isBlocked], ["pending", false]);
  const lost = await submit(deps, afterEach([succeeded, failed]));
  assert.deepEqual([lost.state, lost.outcome?.reason], ["cancelled", "dependency_failed"]);
  assert.equal((await submit(deps, afterEach([failed], "failed"))).isBlocked, false);
  assert.deepEqual(await deps.database.readers.dependencies.listSettled(new Date(0), 10), []);
});

test("the poll finds ends that nobody told of", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job: first, ref } = await running(deps, peer);
  const job = await submit(deps, afterEach([first]));
  await peer.session.receive(finish(ref, COMPLETED));
  await settled();
  await new DependentsRelease(deps).run();
  assert.equal((await find(deps, job)).isBlocked, false);
});

test("a blocked job that was cancelled, or waited for too long, is forgotten with what it waited for", async () => {
  const deps = testDeps();
  const release = new DependentsRelease(deps);
  const { peer } = await connectedWorker(deps);
  const { job: first, ref } = await running(deps, peer);
  const cancelled = await submit(deps, afterEach([first]));
  const timeouts = { queueMs: 10, runMs: null, graceMs: 0 };
  const late = await submit(deps, { ...afterEach([first]), timeouts });
  await cancelJob(deps, ALICE, cancelled.id);
  await deps.clock.advance(10);
  await reapQueueTimeouts(deps);
  assert.equal((await find(deps, late)).outcome?.reason, "queue_timeout");
  await peer.session.receive(finish(ref, FAILED));
  await settled();
  await release.run();
  assert.equal((await find(deps, cancelled)).outcome?.reason, "cancelled_by");
  assert.deepEqual(await deps.database.readers.dependencies.listSettled(new Date(0), 10), []);
});

test("a job cannot wait for one that its tenant does not have, nor twice for one", async () => {
  const deps = testDeps();
  const unknown = { id: deps.ids.next() as JobId };
  const others = await createJob(
    deps,
    { ...ALICE, tenantId: "other" as TenantId },
    { spec: aJobSpec(), idempotencyKey: null },
  );
  for (const { id } of [unknown, others]) {
    const after = [{ jobId: id, condition: "any" as const }];
    const refusal = (error: unknown) =>
      isPlatformError(error, "not_found") && error.message.includes(id);
    await assert.rejects(submit(deps, { after }), refusal);
    await assert.rejects(planJob(deps, ALICE, aJobSpec({ after })), refusal);
  }
  const own = await submit(deps);
  await assert.rejects(submit(deps, afterEach([own, own])), /named more than once/);
});

test("a repeat of a call waits for nothing anew", async () => {
  const deps = testDeps();
  const first = await submit(deps);
  const input = { spec: aJobSpec(afterEach([first])), idempotencyKey: "once" };
  const { id } = await createJob(deps, ALICE, input);
  assert.equal((await createJob(deps, ALICE, input)).id, id);
  assert.equal((await deps.database.readers.dependencies.listOf([id])).length, 1);
});

test("explain and plan say for what a job waits", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job: first } = await running(deps, peer);
  const parts = afterEach([first]);
  const reason = {
    code: "dependency",
    message: `waits for job ${first.id} (running) to succeed`,
    workerCount: 0,
  };
  const job = await submit(deps, parts);
  assert.deepEqual((await explainJob(deps, ALICE, job.id)).reasons, [reason]);
  assert.deepEqual((await planJob(deps, ALICE, aJobSpec(parts))).reasons, [reason]);
});
