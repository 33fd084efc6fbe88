import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { QueueLimits, TenantId } from "@hodei/domain";
import { after } from "../builders.ts";
import { type DatabaseFixture, Scene } from "./database/scene.ts";

const OTHER = "other" as TenantId;
const FULL = { code: "resource_exhausted", reason: "queue_full" };

/** What every database promises of its queue limits; `create` makes one of its own for each test. */
export function queueLimitsContract(
  name: string,
  create: (limits: QueueLimits) => Promise<DatabaseFixture>,
): void {
  suite(`queue limits contract: ${name}`, () => {
    test("a tenant's queue is never longer than it may be, and has room again once jobs start", async (context) => {
      const fixture = await create({ tenantCount: 3, totalCount: null });
      context.after(() => fixture.close());
      const scene = new Scene(fixture);
      const { database } = scene;
      await scene.pendingJob({ idempotencyKey: "once" });
      await scene.assignedJob();
      await assert.rejects(database.insertJobs([scene.newJob(), scene.newJob()]), {
        ...FULL,
        message: /^2 of at most 3 jobs of the tenant wait/,
      });
      const last = await scene.pendingJob();
      await assert.rejects(database.insertJobs([scene.newJob()]), FULL);
      await assert.rejects(
        database.transact(({ jobs }) => jobs.insert([scene.newJob()])),
        FULL,
      );
      const [repeat] = await database.insertJobs([scene.newJob({ idempotencyKey: "once" })]);
      assert.equal(repeat?.created, false, "what is there needs no room");
      await scene.pendingJob({ tenantId: OTHER });
      const outcome = {
        reason: "cancelled_by",
        exitCode: null,
        signal: null,
        message: "",
      } as const;
      await scene.change(last, { type: "cancelled", at: after(1), outcome });
      await scene.runningJob();
      await scene.pendingJob();
      await assert.rejects(database.insertJobs([scene.newJob()]), FULL);
    });

    test("the queue of all tenants has a limit too", async (context) => {
      const fixture = await create({ tenantCount: 2, totalCount: 3 });
      context.after(() => fixture.close());
      const scene = new Scene(fixture);
      await scene.pendingJob();
      await scene.pendingJob();
      await scene.pendingJob({ tenantId: OTHER });
      await assert.rejects(scene.database.insertJobs([scene.newJob({ tenantId: OTHER })]), {
        ...FULL,
        message: /^3 of at most 3 jobs of all tenants wait/,
      });
    });

    test("of calls that come together, as many succeed as there is room for", async (context) => {
      const fixture = await create({ tenantCount: 10, totalCount: null });
      context.after(() => fixture.close());
      const scene = new Scene(fixture);
      const calls = Array.from({ length: 30 }, () => scene.database.insertJobs([scene.newJob()]));
      const results = await Promise.allSettled(calls);
      assert.equal(results.filter(({ status }) => status === "fulfilled").length, 10);
      assert.equal(await scene.database.readers.jobs.countUnfinished(), 10);
    });
  });
}
