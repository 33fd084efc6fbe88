import assert from "node:assert/strict";
import { test } from "node:test";
import type { LeaseToken } from "@hodei/domain";
import { cancelJob } from "./cancel-job.ts";
import { explainJob } from "./explain-job.ts";
import {
  ALICE,
  COMPLETED,
  connectedWorker,
  find,
  finish,
  running,
  settled,
  submit,
  testDeps,
} from "./fixtures.test.ts";
import { moveFinishedJobs } from "./move-finished-jobs.ts";
import { retryJob } from "./retry-job.ts";

/** How many are left to be moved. */
const left = ({ database, clock }: ReturnType<typeof testDeps>) =>
  database.transact(({ jobs }) => jobs.moveFinished(clock.now(), 10_000));

test("jobs move once they ended a while ago, at once as long as there are many", async () => {
  const deps = testDeps();
  for (let index = 0; index < 501; index += 1) {
    await cancelJob(deps, ALICE, (await submit(deps)).id);
  }
  await submit(deps);
  const { finishedSettleMs } = deps.settings;
  await deps.clock.advance(finishedSettleMs - 1);
  assert.equal(await moveFinishedJobs(deps), undefined);
  await deps.clock.advance(1);
  assert.deepEqual(await moveFinishedJobs(deps), deps.clock.now());
  assert.equal(await moveFinishedJobs(deps), undefined);
  assert.equal(await left(deps), 0);
  assert.equal(await deps.database.readers.jobs.countUnfinished(), 1);
});

test("a moved job is cancelled, explained and retried as before, and late results stay refused", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  const { job, ref } = await running(deps, peer, { labels: { team: "red" } });
  await peer.session.receive(finish(ref, COMPLETED));
  await settled();
  const ended = await find(deps, job);
  const explained = await explainJob(deps, ALICE, job.id);
  await deps.clock.advance(deps.settings.finishedSettleMs);
  await moveFinishedJobs(deps);
  assert.equal(await left(deps), 0);
  const stale = { ...ref, leaseToken: "00000000-0000-4000-8000-00000000ffff" as LeaseToken };
  for (const late of [ref, stale]) {
    await peer.session.receive(finish(late, COMPLETED));
    await settled();
  }
  const answers = peer.of("result_ack").map(({ accepted }) => accepted);
  assert.deepEqual(answers, [true, true, false]);
  assert.deepEqual(await find(deps, job), ended);
  assert.deepEqual(await cancelJob(deps, ALICE, job.id), ended);
  assert.deepEqual(await explainJob(deps, ALICE, job.id), explained);
  const retried = await retryJob(deps, ALICE, job.id, null);
  assert.notEqual(retried.id, job.id);
  assert.deepEqual(retried.labels, { team: "red" });
});
