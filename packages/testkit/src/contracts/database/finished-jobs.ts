import assert from "node:assert/strict";
import { test } from "node:test";
import {
  applyJobEvents,
  type EndedJob,
  type Job,
  type JobFilter,
  type JobId,
  outcomeOf,
  type TenantId,
} from "@hodei/domain";
import { after, aJobSpec } from "../../builders.ts";
import type { Open, Scene } from "./scene.ts";

/** What holds of jobs that were moved out of the way of those that live. */
export function testFinishedJobs(open: Open): void {
  testMoves(open);
  testMovedJobs(open);
  testListsOfBoth(open);
}

const KEEP = () => after(1_000_000);

/** Ended at `after(3)` or before. */
const ALL = after(3);

const move = ({ database }: Scene, endedUntil = ALL, limit = 10) =>
  database.transact(({ jobs }) => jobs.moveFinished(endedUntil, limit, KEEP));

const cancel = (scene: Scene, job: Job, atMs: number) =>
  scene.change(job, { type: "cancelled", at: after(atMs), outcome: outcomeOf("cancelled_by", "") });

function testMoves(open: Open): void {
  test("only jobs that ended by then move, the oldest first, each once", async (context) => {
    const scene = await open(context);
    await scene.pendingJob();
    await scene.runningJob();
    for (const atMs of [30, 10, 20]) await cancel(scene, await scene.pendingJob(), atMs);
    assert.equal(await move(scene, after(9)), 0);
    assert.equal(await move(scene, after(29), 1), 1);
    assert.equal(await move(scene, after(10)), 0);
    assert.equal(await move(scene, after(29)), 1);
    assert.equal(await move(scene, after(30)), 1);
    assert.equal(await move(scene, after(1_000_000)), 0);
    assert.equal(await scene.database.readers.jobs.countUnfinished(), 2);
  });

  test("a job moves only when nothing is stored that waits for it", async (context) => {
    const scene = await open(context);
    const ended = await scene.succeededJob();
    const waiting = await scene.pendingJob();
    const awaited = { jobId: waiting.id, afterId: ended.id, condition: "any" } as const;
    await scene.database.transact(({ dependencies }) => dependencies.insert([awaited]));
    assert.equal(await move(scene), 0);
    assert.deepEqual(await scene.database.readers.dependencies.listSettled(after(0), 10), [
      waiting.id,
    ]);
    await scene.database.transact(({ dependencies }) => dependencies.remove([awaited]));
    assert.equal(await move(scene), 1);
  });

  test("who moves says when each job goes, by its tenant, its spec and the pool of its last worker", async (context) => {
    const scene = await open(context);
    const worker = await scene.worker({ pool: "gpu" });
    const wish = await scene.runningJob({ workerId: worker.id }, { spec: { retentionMs: 7 } });
    await cancel(scene, wish, 3);
    const none = await cancel(scene, await scene.pendingJob({ tenantId: "other" as TenantId }), 2);
    const asked: EndedJob[] = [];
    const { jobs } = scene.database.readers;
    assert.equal(await jobs.findKeptUntil(wish.id), undefined);
    const moving = scene.database.transact(({ jobs }) => {
      // It may be tried again.
      asked.length = 0;
      return jobs.moveFinished(ALL, 10, (job) => {
        asked.push(job);
        return new Date(job.finishedAt.getTime() + 5);
      });
    });
    assert.equal(await moving, 2);
    assert.deepEqual(asked, [
      { tenantId: none.tenantId, finishedAt: after(2), retentionMs: null, pool: null },
      { tenantId: wish.tenantId, finishedAt: after(3), retentionMs: 7, pool: "gpu" },
    ]);
    assert.deepEqual(await jobs.findKeptUntil(wish.id), after(8));
    assert.deepEqual(await jobs.findKeptUntil(none.id), after(7));
  });

  test("a move that is rolled back has not been", async (context) => {
    const scene = await open(context);
    const job = await scene.succeededJob();
    const failure = new Error("rolled back");
    await assert.rejects(
      scene.database.transact(async ({ jobs }) => {
        assert.equal(await jobs.moveFinished(ALL, 10, KEEP), 1);
        assert.deepEqual(await jobs.get(job.id), job);
        throw failure;
      }),
      failure,
    );
    assert.equal(await move(scene), 1);
  });
}

function testMovedJobs(open: Open): void {
  test("whoever reads a moved job finds it as it was", async (context) => {
    const scene = await open(context);
    const spec = aJobSpec({ stdin: new TextEncoder().encode("in"), labels: { team: "red" } });
    const job = await scene.succeededJob({ spec });
    const live = await scene.runningJob({}, { spec });
    const { jobs, attempts } = scene.database.readers;
    const attempt = await attempts.find(job.id, 1);
    assert.ok(attempt);
    const reads = async () => ({
      get: await jobs.get(job.id),
      find: await jobs.find(job.id),
      spec: await jobs.getSpec(job.id),
      specs: await jobs.getSpecs([live.id, job.id, scene.ids.next() as JobId]),
      attempt: await attempts.find(job.id, 1),
      noAttempt: await attempts.find(job.id, 2),
      attempts: await attempts.list(job.id),
      locked: await scene.database.transact((stores) => stores.jobs.lock(job.id)),
      lockedAll: await scene.database.transact(async (stores) =>
        (await stores.jobs.lockAll([live.id, job.id])).toSorted((a, b) => (a.id < b.id ? -1 : 1)),
      ),
      lockedAttempt: await scene.database.transact((stores) => stores.attempts.lock(job.id, 1)),
    });
    const before = await reads();
    assert.deepEqual([before.get, before.spec, before.attempts], [job, spec, [attempt]]);
    assert.equal(await move(scene), 1);
    assert.deepEqual(await reads(), before);
    await assert.rejects(jobs.get(scene.ids.next() as JobId), { code: "not_found" });
  });

  test("nothing changes a moved job", async (context) => {
    const scene = await open(context);
    const running = await scene.runningJob();
    const outcome = outcomeOf("completed", "");
    const event = { type: "succeeded", at: after(3), outcome } as const;
    const ended = await scene.change(running, event);
    const attempt = await scene.database.readers.attempts.find(running.id, 1);
    assert.ok(attempt);
    assert.equal(await move(scene), 1);
    const late = { job: applyJobEvents(running, [event]), events: [event], attempt };
    for (const job of [late.job, ended]) {
      const change = { ...late, job };
      assert.equal(await scene.database.changeJob(change), undefined);
      const stale = { code: "conflict", reason: "stale_version" };
      const { database } = scene;
      await assert.rejects(
        database.transact(({ jobs }) => jobs.updateAll([change])),
        stale,
      );
      await assert.rejects(
        database.transact(({ jobs }) => jobs.update(job, [event])),
        stale,
      );
    }
    assert.deepEqual(await scene.database.readers.jobs.get(running.id), ended);
    assert.deepEqual(await scene.database.readers.attempts.list(running.id), [attempt]);
  });

  test("the idempotency key of a moved job gives that job", async (context) => {
    const scene = await open(context);
    const job = await scene.succeededJob({ idempotencyKey: "once" });
    assert.equal(await move(scene), 1);
    const forgotten = scene.database.transact(({ jobs }) =>
      jobs.forgetKeys(after(1_000_000), 10, null),
    );
    assert.equal(await forgotten, null);
    const repeat = scene.newJob({ idempotencyKey: "once" });
    const other = scene.newJob({ idempotencyKey: "twice" });
    assert.deepEqual(await scene.database.insertJobs([other, repeat]), [
      { job: other.job, created: true },
      { job, created: false },
    ]);
  });
}

function testListsOfBoth(open: Open): void {
  test("lists have jobs of both places in one order, page by page, whatever the filter", async (context) => {
    const scene = await open(context);
    const jobs: Job[] = [];
    for (let index = 0; index < 12; index += 1) {
      const labels = { team: index % 3 === 0 ? "red" : "blue" };
      const spec = { name: `job ${index % 4}`, labels };
      // Pairs of the same age: then ids decide.
      const parts = { spec, createdAtMs: Math.floor(index / 2) };
      if (index % 2 === 0) jobs.push(await scene.succeededJob(parts));
      else if (index % 3 === 0) jobs.push(await cancel(scene, await scene.pendingJob(parts), 50));
      else jobs.push(await scene.pendingJob(parts));
    }
    const newest = jobs.toReversed().map(({ id }) => id);
    const [first] = jobs;
    assert.ok(first);
    const any: JobFilter = { tenantId: first.tenantId };
    const filters: readonly JobFilter[] = [
      any,
      { ...any, states: ["succeeded"] },
      { ...any, states: ["cancelled", "failed"] },
      { ...any, states: ["pending", "cancelled"] },
      { ...any, states: ["pending", "running"] },
      { ...any, labels: { team: "red" } },
      { ...any, nameContains: "JOB 2" },
      { ...any, createdAfter: after(1), createdBefore: after(5) },
    ];
    const listAll = () => Promise.all(filters.map((filter) => listIds(scene, filter, 2)));
    const before = await listAll();
    assert.deepEqual(before[0], newest);
    assert.ok(before.every(({ length }) => length > 0));
    assert.equal(await move(scene, after(3), 3), 3);
    assert.deepEqual(await listAll(), before);
    assert.equal(await move(scene, after(50)), 5);
    assert.deepEqual(await listAll(), before);
  });
}

async function listIds(
  { database }: Scene,
  filter: JobFilter,
  limit: number,
): Promise<readonly JobId[]> {
  const ids: JobId[] = [];
  for (let token: string | null = null; ; ) {
    const page = await database.readers.jobs.list(filter, { limit, token });
    ids.push(...page.items.map(({ id }) => id));
    token = page.nextToken;
    if (token === null) return ids;
  }
}
