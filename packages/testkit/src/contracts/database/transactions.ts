import assert from "node:assert/strict";
import { test } from "node:test";
import { applyJobEvent, type JobEvent, outcomeOf, type Stores } from "@hodei/domain";
import { after } from "../../builders.ts";
import type { Open } from "./scene.ts";

const CANCELLED: JobEvent = {
  type: "cancelled",
  at: after(1),
  outcome: outcomeOf("cancelled_by", ""),
};

export function testTransactions(open: Open): void {
  testRollback(open);
  testVisibility(open);
  testConflicts(open);
  testLeadership(open);
}

function testRollback(open: Open): void {
  test("what fails leaves no trace, and its error comes through", async (context) => {
    const scene = await open(context);
    const { database } = scene;
    const job = await scene.pendingJob();
    const worker = await scene.worker();
    const reported = scene.commits.length;
    const failure = new Error("changed my mind");
    await assert.rejects(
      database.transact(async ({ jobs, workers, joinTokens, subscriptions }) => {
        await jobs.update(applyJobEvent(await jobs.lock(job.id), CANCELLED), [CANCELLED]);
        await workers.update(worker, []);
        await joinTokens.insert({ hash: "h", workerId: worker.id, expiresAt: after(1) });
        await subscriptions.save({ ...(await subscriptions.lock("s")), cursor: "c" });
        throw failure;
      }),
      failure,
    );
    assert.deepEqual(await database.readers.jobs.get(job.id), job);
    assert.deepEqual(await database.readers.workers.get(worker.id), worker);
    const { cursor } = await database.transact(({ subscriptions }) => subscriptions.lock("s"));
    assert.equal(cursor, null);
    assert.equal(scene.commits.length, reported);
    await scene.change(job, CANCELLED);
  });

  test("stores are of no use after their transaction", async (context) => {
    const scene = await open(context);
    const job = await scene.pendingJob();
    let kept: Stores | undefined;
    await scene.database.transact(async (stores) => {
      kept = stores;
    });
    assert.ok(kept);
    await assert.rejects(kept.jobs.update(applyJobEvent(job, CANCELLED), [CANCELLED]));
    assert.deepEqual(await scene.database.readers.jobs.get(job.id), job);
  });
}

function testVisibility(open: Open): void {
  test("a transaction sees its own writes, others do not before the commit", async (context) => {
    const scene = await open(context);
    const { database } = scene;
    const job = await scene.pendingJob();
    await database.transact(async ({ jobs }) => {
      const cancelled = await jobs.update(applyJobEvent(await jobs.lock(job.id), CANCELLED), [
        CANCELLED,
      ]);
      assert.deepEqual(await jobs.get(job.id), cancelled);
      assert.equal(await jobs.countUnfinished(), 0);
      assert.deepEqual(await database.readers.jobs.get(job.id), job);
      assert.equal(await database.readers.jobs.countUnfinished(), 1);
    });
    assert.equal(await database.readers.jobs.countUnfinished(), 0);
  });

  test("events are reported once, after the commit, and only if there are any", async (context) => {
    const scene = await open(context);
    const job = await scene.pendingJob();
    assert.equal(scene.commits.length, 1);
    const answer = await scene.database.transact(async ({ jobs }) => {
      await jobs.update(applyJobEvent(await jobs.lock(job.id), CANCELLED), [CANCELLED]);
      assert.equal(scene.commits.length, 1);
      return "answer";
    });
    assert.equal(answer, "answer");
    assert.deepEqual(
      scene.commits.map((events) => events.map(({ type }) => type)),
      [["job.created"], ["job.cancelled"]],
    );
    await scene.database.transact(({ jobs }) => jobs.get(job.id));
    assert.equal(scene.commits.length, 2);
  });
}

function testConflicts(open: Open): void {
  test("transactions that lock in opposite order all succeed", async (context) => {
    const scene = await open(context);
    const [a, b] = [await scene.runningJob(), await scene.runningJob()];
    const event: JobEvent = { type: "cancel_requested", at: after(9), by: "somebody" };
    const changeBoth = (order: readonly (typeof a)[]) =>
      scene.database.transact(async ({ jobs }) => {
        for (const { id } of order) {
          await jobs.update(applyJobEvent(await jobs.lock(id), event), [event]);
        }
      });
    await Promise.all([
      changeBoth([a, b]),
      changeBoth([b, a]),
      changeBoth([a, b]),
      changeBoth([b, a]),
    ]);
    const { version } = await scene.database.readers.jobs.get(a.id);
    assert.equal(version, a.version + 4);
  });
}

function testLeadership(open: Open): void {
  test("a leadership ends when the next begins, and each has a higher epoch", async (context) => {
    const { database } = await open(context);
    const begin = (name: string) => database.transact(({ leadership }) => leadership.begin(name));
    const check = (name: string, epoch: number) =>
      database.transact(({ leadership }) => leadership.check(name, epoch));
    await assert.rejects(check("all", 1), { code: "conflict", reason: "not_leading" });
    const first = await begin("all");
    await check("all", first);
    const other = await begin("else");
    const second = await begin("all");
    assert.ok(second > first);
    await check("all", second);
    await check("else", other);
    await assert.rejects(check("all", first), { code: "conflict", reason: "not_leading" });
  });
}
