import assert from "node:assert/strict";
import { test } from "node:test";
import {
  applyJobEvent,
  createJob,
  type Job,
  type JobEvent,
  type JobId,
  type LeaseToken,
  outcomeOf,
  type TenantId,
  type WorkerId,
} from "@hodei/domain";
import fc from "fast-check";
import { anyJobSpec } from "../../arbitraries.ts";
import { after, aJob, aNewJob } from "../../builders.ts";
import type { Open } from "./scene.ts";

const UNKNOWN = "ffffffff-0000-7000-8000-000000000000" as JobId;

export function testJobs(open: Open): void {
  testStoredJobs(open);
  testJobWrites(open);
  testJobPages(open);
  testJobFilter(open);
}

function testStoredJobs(open: Open): void {
  test("a job comes back as it was stored, whatever its spec", async (context) => {
    const { database, ids } = await open(context);
    await fc.assert(
      fc.asyncProperty(anyJobSpec(), async (spec) => {
        const id = ids.next() as JobId;
        const newJob = aNewJob({ id }, { spec });
        await database.insertJobs([newJob]);
        assert.deepEqual(await database.readers.jobs.get(id), newJob.job);
        assert.deepEqual(await database.readers.jobs.getSpec(id), spec);
      }),
      { numRuns: 50 },
    );
  });

  test("an unknown job is not found", async (context) => {
    const { database } = await open(context);
    assert.equal(await database.readers.jobs.find(UNKNOWN), undefined);
    await assert.rejects(database.readers.jobs.get(UNKNOWN), { code: "not_found" });
    await assert.rejects(database.readers.jobs.getSpec(UNKNOWN), { code: "not_found" });
    await assert.rejects(
      database.transact(({ jobs }) => jobs.lock(UNKNOWN)),
      { code: "not_found" },
    );
  });

  test("a job keeps the tenant and correlation it was made with", async (context) => {
    const { database } = await open(context);
    const facts = { tenantId: "acme" as TenantId, correlationId: "request-7" };
    const newJob = aNewJob(facts);
    await database.insertJobs([newJob]);
    const job = await database.readers.jobs.get(newJob.job.id);
    assert.deepEqual(job, createJob(newJob.spec, { id: job.id, now: job.createdAt, ...facts }));
  });
}

function testJobWrites(open: Open): void {
  test("every field that changes in a job's life is stored", async (context) => {
    const scene = await open(context);
    const token = scene.ids.next() as LeaseToken;
    const workerId = scene.ids.next() as WorkerId;
    const life: JobEvent[] = [
      { type: "assigned", at: after(10), lease: { token, workerId, acknowledgeBy: after(20) } },
      { type: "started", at: after(11) },
      { type: "cancel_requested", at: after(12), by: "somebody" },
      {
        type: "retry_scheduled",
        at: after(13),
        runAt: after(14),
        outcome: outcomeOf("signal", ""),
      },
      { type: "assigned", at: after(15), lease: { token, workerId, acknowledgeBy: after(30) } },
      { type: "started", at: after(16) },
      {
        type: "failed",
        at: after(17),
        outcome: { reason: "non_zero_exit", exitCode: 7, signal: "SIGTERM", message: "seven" },
      },
    ];
    let job: Job = await scene.pendingJob({ spec: { labels: { team: "core" }, priority: 7 } });
    for (const event of life) {
      const { version } = job;
      job = await scene.change(job, event);
      assert.equal(job.version, version + 1);
      assert.deepEqual(await scene.database.readers.jobs.get(job.id), job);
    }
  });

  test("a stale write is refused and leaves no trace", async (context) => {
    const scene = await open(context);
    const pending = await scene.pendingJob();
    const event: JobEvent = {
      type: "cancelled",
      at: after(1),
      outcome: outcomeOf("cancelled_by", "first"),
    };
    const stored = await scene.change(pending, event);
    await assert.rejects(
      scene.database.transact(({ jobs }) => jobs.update(applyJobEvent(pending, event), [event])),
      { code: "conflict", reason: "stale_version" },
    );
    assert.deepEqual(await scene.database.readers.jobs.get(pending.id), stored);
    assert.deepEqual(scene.committedTypes, ["job.created", "job.cancelled"]);
  });

  test("writes that come together are done one after another", async (context) => {
    const scene = await open(context);
    const running = await scene.runningJob();
    const count = 10;
    await Promise.all(
      Array.from({ length: count }, (_, index) =>
        scene.change(running, { type: "cancel_requested", at: after(index), by: `user-${index}` }),
      ),
    );
    const { version } = await scene.database.readers.jobs.get(running.id);
    assert.equal(version, running.version + count);
  });
}

function testJobPages(open: Open): void {
  test("lists are by tenant, newest first, in pages", async (context) => {
    const scene = await open(context);
    const other = "other" as TenantId;
    const stored = [
      await scene.pendingJob({ createdAtMs: 2 }),
      await scene.pendingJob({ createdAtMs: 1 }),
      await scene.pendingJob({ createdAtMs: 3 }),
      await scene.pendingJob({ createdAtMs: 3 }),
      await scene.pendingJob({ createdAtMs: 4 }),
    ];
    await scene.pendingJob({ tenantId: other });
    const newest = [4, 3, 2, 0, 1].map((index) => stored[index]?.id);
    for (const limit of [1, 2, 5, 100]) {
      const seen: JobId[] = [];
      let token: string | null = null;
      do {
        const page = await scene.database.readers.jobs.list(
          { tenantId: aJob().tenantId },
          { limit, token },
        );
        assert.ok(page.items.length <= limit);
        seen.push(...page.items.map(({ id }) => id));
        token = page.nextToken;
      } while (token !== null);
      assert.deepEqual(seen, newest);
    }
  });

  test("a page token of no list is refused", async (context) => {
    const { database } = await open(context);
    for (const token of ["", "x", "%", "e30"]) {
      await assert.rejects(
        database.readers.jobs.list({ tenantId: aJob().tenantId }, { limit: 1, token }),
        { code: "invalid_argument", reason: "malformed_page_token" },
      );
    }
  });
}

function testJobFilter(open: Open): void {
  test("a list passes what fits every part of the filter", async (context) => {
    const scene = await open(context);
    const { tenantId } = aJob();
    const one = await scene.pendingJob({
      spec: { name: "Build 100%_of it", labels: { team: "core", tier: "1" } },
      createdAtMs: 10,
    });
    const two = await scene.runningJob(
      {},
      { spec: { name: "test", labels: { team: "core" } }, createdAtMs: 20 },
    );
    const three = await scene.succeededJob({ spec: { name: "build" }, createdAtMs: 30 });
    const four = await scene.change(await scene.pendingJob({ createdAtMs: 40 }), {
      type: "cancelled",
      at: after(50),
      outcome: outcomeOf("cancelled_by", ""),
    });
    const list = async (filter: object) => {
      const page = await scene.database.readers.jobs.list(
        { tenantId, ...filter },
        { limit: 10, token: null },
      );
      return page.items.map(({ id }) => id);
    };
    assert.deepEqual(await list({ states: [] }), [four.id, three.id, two.id, one.id]);
    assert.deepEqual(await list({ states: ["pending", "running"] }), [two.id, one.id]);
    assert.deepEqual(await list({ states: ["cancelled", "failed"] }), [four.id]);
    assert.deepEqual(await list({ states: ["succeeded", "pending"] }), [three.id, one.id]);
    assert.deepEqual(await list({ labels: { team: "core" } }), [two.id, one.id]);
    assert.deepEqual(await list({ labels: { team: "core", tier: "1" } }), [one.id]);
    assert.deepEqual(await list({ labels: { team: "other" } }), []);
    assert.deepEqual(await list({ nameContains: "BUILD" }), [three.id, one.id]);
    assert.deepEqual(await list({ nameContains: "%_O" }), [one.id]);
    assert.deepEqual(await list({ createdAfter: after(10) }), [four.id, three.id, two.id]);
    assert.deepEqual(await list({ createdBefore: after(30) }), [two.id, one.id]);
    assert.deepEqual(await list({ states: ["pending"], nameContains: "test" }), []);
  });
}
