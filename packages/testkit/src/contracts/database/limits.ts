import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_TENANT_ID, outcomeOf, type RateStart, type TenantId } from "@hodei/domain";
import { after } from "../../builders.ts";
import type { Open } from "./scene.ts";

const OTHER = "other" as TenantId;
const KEY = { tenantId: DEFAULT_TENANT_ID, key: "deploy" };

const keyed = (key: string) => ({
  concurrency: { key, limit: 1, onConflict: "queue" as const },
});

export function testLimits(open: Open): void {
  test("a key is held by what is assigned or runs, and asked for by all that has not ended", async (context) => {
    const scene = await open(context);
    const { limits } = scene.database.readers;
    const first = await scene.runningJob({}, { spec: keyed("deploy"), createdAtMs: 2 });
    const waiting = await scene.pendingJob({ spec: keyed("deploy"), createdAtMs: 1 });
    const second = await scene.assignedJob({}, { spec: keyed("deploy"), createdAtMs: 3 });
    await scene.runningJob({}, { spec: keyed("else") });
    await scene.runningJob({}, { spec: keyed("deploy"), tenantId: OTHER });
    await scene.succeededJob({ spec: keyed("deploy") });
    await scene.runningJob();
    assert.deepEqual(
      await limits.listHolders([KEY, { ...KEY, key: "unknown" }]),
      [first, second].map(({ id }) => ({ ...KEY, jobId: id })),
    );
    assert.deepEqual(
      (await limits.listUnfinished(KEY)).map(({ id }) => id),
      [waiting.id, first.id, second.id],
    );
    assert.equal((await limits.listHolders([KEY, KEY])).length, 2, "however many jobs ask for it");
    assert.deepEqual(await limits.listHolders([]), []);
    const counts = await limits.countHeld([DEFAULT_TENANT_ID, OTHER]);
    assert.deepEqual(Object.fromEntries(counts), { [DEFAULT_TENANT_ID]: 4, [OTHER]: 1 });
    await scene.change(first, {
      type: "failed",
      at: after(9),
      outcome: outcomeOf("non_zero_exit", ""),
    });
    assert.deepEqual(await limits.listHolders([KEY]), [{ ...KEY, jobId: second.id }]);
  });

  test("starts count until their time, and go when their key is used again", async (context) => {
    const { database } = await open(context);
    const { limits } = database.readers;
    const start = (key: string, untilMs: number): RateStart => ({
      tenantId: DEFAULT_TENANT_ID,
      key,
      at: after(0),
      countsUntil: after(untilMs),
    });
    const [short, long, other] = [start("deploy", 10), start("deploy", 20), start("else", 10)];
    await database.transact(async (stores) => {
      await stores.limits.lock([{ kind: "rate", ...KEY }]);
      await stores.limits.addStarts([short, long, other], after(0));
      await stores.limits.addStarts([], after(0));
    });
    const untils = async (nowMs: number) =>
      (await limits.listStarts([KEY], after(nowMs))).map(({ countsUntil }) => countsUntil).sort();
    assert.deepEqual(await untils(9), [after(10), after(20)]);
    assert.deepEqual(await untils(10), [after(20)]);
    assert.equal((await limits.listStarts([KEY, KEY, KEY], after(0))).length, 2);
    assert.deepEqual(await limits.listStarts([{ ...KEY, key: "else" }], after(0)), [other]);
    await database.transact((stores) => stores.limits.addStarts([start("deploy", 30)], after(15)));
    assert.deepEqual(await untils(0), [after(20), after(30)]);
    assert.deepEqual(await limits.listStarts([{ ...KEY, tenantId: OTHER }], after(0)), []);
  });

  test("jobs that a transaction inserts are stored with it, and their keys with them", async (context) => {
    const scene = await open(context);
    const newJob = scene.newJob({ idempotencyKey: "once" });
    const repeat = scene.newJob({ idempotencyKey: "once" });
    const failure = new Error("changed my mind");
    await assert.rejects(
      scene.database.transact(async ({ jobs }) => {
        await jobs.insert([newJob]);
        throw failure;
      }),
      failure,
    );
    assert.deepEqual(scene.committedTypes, []);
    const inserted = await scene.database.transact(({ jobs }) => jobs.insert([newJob, repeat]));
    assert.deepEqual(inserted, [
      { job: newJob.job, created: true },
      { job: newJob.job, created: false },
    ]);
    assert.deepEqual(scene.committedTypes, ["job.created"]);
  });
}
