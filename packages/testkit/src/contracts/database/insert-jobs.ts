import assert from "node:assert/strict";
import { test } from "node:test";
import type { NewJob, TenantId } from "@hodei/domain";
import { after } from "../../builders.ts";
import type { Open } from "./scene.ts";

export function testInsertJobs(open: Open): void {
  testInsertedJobs(open);
  testIdempotencyKeys(open);
  testInsertsTogether(open);
}

function testInsertedJobs(open: Open): void {
  test("new jobs come back in their order, with their events", async (context) => {
    const scene = await open(context);
    const newJobs = Array.from({ length: 3 }, (_, index) => scene.newJob({ createdAtMs: index }));
    const inserted = await scene.database.insertJobs(newJobs);
    assert.deepEqual(
      inserted,
      newJobs.map(({ job }) => ({ job, created: true })),
    );
    assert.deepEqual(
      scene.commits.flat().map(({ type, subjectId, version, at, correlationId }) => ({
        type,
        subjectId,
        version,
        at,
        correlationId,
      })),
      newJobs.map(({ job }) => ({
        type: "job.created",
        subjectId: job.id,
        version: 1,
        at: job.createdAt,
        correlationId: job.correlationId,
      })),
    );
    assert.deepEqual(await scene.database.insertJobs([]), []);
  });

  test("a large call is stored as a whole or not at all", async (context) => {
    const scene = await open(context);
    const newJobs = Array.from({ length: 1_000 }, (_, index) =>
      scene.newJob(index % 2 === 0 ? {} : { idempotencyKey: `key-${index}` }),
    );
    const [first] = newJobs;
    assert.ok(first);
    await assert.rejects(scene.database.insertJobs([...newJobs, first]), { code: "internal" });
    assert.equal(await scene.database.readers.jobs.countUnfinished(), 0);
    assert.deepEqual(scene.commits, []);
    const inserted = await scene.database.insertJobs(newJobs);
    assert.deepEqual(
      inserted.map(({ job }) => job.id),
      newJobs.map(({ job }) => job.id),
    );
    assert.equal(await scene.database.readers.jobs.countUnfinished(), newJobs.length);
  });
}

function testIdempotencyKeys(open: Open): void {
  test("an idempotency key that was seen gives the job of then, as it is now", async (context) => {
    const scene = await open(context);
    const first = scene.newJob({ idempotencyKey: "once" });
    await scene.database.insertJobs([first]);
    const changed = await scene.change(first.job, {
      type: "cancelled",
      at: after(1),
      outcome: { reason: "cancelled_by", exitCode: null, signal: null, message: "" },
    });
    const repeat = scene.newJob({ idempotencyKey: "once" });
    const inserted = await scene.database.insertJobs([repeat]);
    assert.deepEqual(inserted, [{ job: changed, created: false }]);
    assert.equal(await scene.database.readers.jobs.find(repeat.job.id), undefined);
    assert.deepEqual(scene.committedTypes, ["job.created", "job.cancelled"]);
  });

  test("a key belongs to one tenant", async (context) => {
    const scene = await open(context);
    const parts = { idempotencyKey: "once" };
    await scene.database.insertJobs([scene.newJob(parts)]);
    const other = scene.newJob({ ...parts, tenantId: "other" as TenantId });
    const [inserted] = await scene.database.insertJobs([other]);
    assert.deepEqual(inserted, { job: other.job, created: true });
  });

  test("a key that one call has twice makes one job", async (context) => {
    const scene = await open(context);
    const [first, unkeyed, second] = [
      scene.newJob({ idempotencyKey: "once" }),
      scene.newJob(),
      scene.newJob({ idempotencyKey: "once" }),
    ];
    const inserted = await scene.database.insertJobs([first, unkeyed, second]);
    assert.deepEqual(inserted, [
      { job: first.job, created: true },
      { job: unkeyed.job, created: true },
      { job: first.job, created: false },
    ]);
  });
}

function testInsertsTogether(open: Open): void {
  test("of many calls with one key exactly one makes the job", async (context) => {
    const scene = await open(context);
    const results = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        scene.database.insertJobs([scene.newJob({ idempotencyKey: `key-${index % 10}` })]),
      ),
    );
    const inserted = results.flat();
    assert.equal(inserted.filter(({ created }) => created).length, 10);
    assert.equal(new Set(inserted.map(({ job }) => job.id)).size, 10);
    assert.equal(await scene.database.readers.jobs.countUnfinished(), 10);
    assert.equal(scene.commits.flat().length, 10);
  });

  test("calls that come together fail alone", async (context) => {
    const scene = await open(context);
    const { job: stored } = await scene.database
      .insertJobs([scene.newJob()])
      .then(([first]) => first ?? assert.fail());
    const good = Array.from({ length: 5 }, () => [scene.newJob(), scene.newJob()]);
    const bad: NewJob[] = [scene.newJob(), { ...scene.newJob(), job: stored }];
    const calls = [...good.slice(0, 3), bad, ...good.slice(3)];
    const results = await Promise.allSettled(calls.map((jobs) => scene.database.insertJobs(jobs)));
    assert.deepEqual(
      results.map(({ status }) => status),
      ["fulfilled", "fulfilled", "fulfilled", "rejected", "fulfilled", "fulfilled"],
    );
    for (const { job } of good.flat()) {
      assert.deepEqual(await scene.database.readers.jobs.get(job.id), job);
    }
    const [neverStored] = bad;
    assert.ok(neverStored);
    assert.equal(await scene.database.readers.jobs.find(neverStored.job.id), undefined);
    assert.equal(scene.commits.flat().length, 11);
  });
}
