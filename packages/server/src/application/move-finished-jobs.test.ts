import assert from "node:assert/strict";
import { test } from "node:test";
import type { JobId, LeaseToken } from "@hodei/domain";
import { aJobSpec } from "@hodei/testkit";
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
import { getJob } from "./get-job.ts";
import { FinishedJobsMove } from "./move-finished-jobs.ts";
import { planJob } from "./plan-job.ts";
import { retryJob } from "./retry-job.ts";

const DAY_MS = 86_400_000;

/** How many are left to be moved. */
const left = ({ database, clock }: ReturnType<typeof testDeps>) =>
  database.transact(({ jobs }) => jobs.moveFinished(clock.now(), 10_000, () => clock.now()));

test("jobs move once they ended a while ago, at once as long as there are many", async () => {
  const deps = testDeps();
  const move = new FinishedJobsMove(deps);
  for (let index = 0; index < 501; index += 1) {
    await cancelJob(deps, ALICE, (await submit(deps)).id);
  }
  await submit(deps);
  const { finishedSettleMs } = deps.settings;
  await deps.clock.advance(finishedSettleMs - 1);
  assert.equal(await move.run(), undefined);
  await deps.clock.advance(1);
  assert.deepEqual(await move.run(), deps.clock.now());
  assert.equal(await move.run(), undefined);
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
  await new FinishedJobsMove(deps).run();
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

test("each job goes when its spec, its pool, its tenant or the server says", async () => {
  const { settings } = testDeps();
  const poolsMs = new Map([["joined", 2 * DAY_MS]]);
  const retention = { ...settings.retention, poolsMs };
  const deps = testDeps({ settings: { ...settings, retention } });
  const { peer } = await connectedWorker(deps);
  const pooled = await running(deps, peer);
  await peer.session.receive(finish(pooled.ref, COMPLETED));
  await settled();
  const wish = await submit(deps, { retentionMs: 9 * DAY_MS });
  const plain = await submit(deps);
  for (const { id } of [wish, plain]) await cancelJob(deps, ALICE, id);
  const endedMs = deps.clock.now().getTime();
  const daysOf = async (id: JobId) => {
    const { keptUntil } = await getJob(deps, ALICE, id);
    return keptUntil === null ? null : (keptUntil.getTime() - endedMs) / DAY_MS;
  };
  assert.equal(await daysOf(wish.id), null);
  await deps.clock.advance(settings.finishedSettleMs);
  await new FinishedJobsMove(deps).run();
  assert.deepEqual(
    await Promise.all([wish, pooled.job, plain].map(({ id }) => daysOf(id))),
    [9, 2, 30],
  );
});

test("a spec that asks to be kept for too long is refused, when planned and when created", async () => {
  const deps = testDeps();
  const spec = aJobSpec({ retentionMs: 367 * DAY_MS });
  const refused = { code: "invalid_argument", reason: "retention_too_long" };
  await assert.rejects(planJob(deps, ALICE, spec), refused);
  await assert.rejects(submit(deps, spec), refused);
});
