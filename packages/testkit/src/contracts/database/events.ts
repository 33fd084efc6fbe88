import assert from "node:assert/strict";
import { test } from "node:test";
import { type EventFilter, outcomeOf, type TenantId } from "@hodei/domain";
import { after } from "../../builders.ts";
import { type Open, readEvents, withoutCursor } from "./scene.ts";

const ANY: EventFilter = { tenantId: null };

export function testEvents(open: Open): void {
  testEventOrder(open);
  testEventFilter(open);
  testEventPages(open);
}

function testEventOrder(open: Open): void {
  test("events come as they were reported, in order, each with a growing cursor", async (context) => {
    const scene = await open(context);
    const running = await scene.runningJob();
    const outcome = outcomeOf("worker_lost", "away");
    await scene.change(
      running,
      { type: "retries_exhausted", at: after(5), attempts: 1 },
      { type: "failed", at: after(5), outcome },
    );
    await scene.worker();
    const events = await readEvents(scene.database, ANY, 2);
    assert.deepEqual(events.map(withoutCursor), scene.commits.flat());
    assert.deepEqual(
      events.map(({ type }) => type),
      [
        "job.created",
        "job.assigned",
        "job.started",
        "job.retries_exhausted",
        "job.failed",
        "worker.created",
      ],
    );
    const cursors = events.map(({ cursor }) => cursor);
    assert.deepEqual(cursors, cursors.toSorted());
    assert.equal(new Set(cursors).size, cursors.length);
  });

  test("a lease token is in no event", async (context) => {
    const scene = await open(context);
    const { lease } = await scene.assignedJob();
    assert.ok(lease);
    assert.ok(!JSON.stringify(await readEvents(scene.database, ANY, 10)).includes(lease.token));
  });
}

function testEventFilter(open: Open): void {
  test("a filter passes over the others", async (context) => {
    const scene = await open(context);
    const other = "other" as TenantId;
    const first = await scene.pendingJob();
    const second = await scene.pendingJob({ tenantId: other });
    const third = await scene.succeededJob();
    const list = async (filter: EventFilter) =>
      (await readEvents(scene.database, filter, 1)).map(({ type, subjectId }) => [type, subjectId]);
    assert.deepEqual(await list({ tenantId: other }), [["job.created", second.id]]);
    assert.deepEqual(await list({ tenantId: null, types: ["job.created"] }), [
      ["job.created", first.id],
      ["job.created", second.id],
      ["job.created", third.id],
    ]);
    assert.deepEqual(
      await list({
        tenantId: third.tenantId,
        subjectId: third.id,
        types: ["job.started", "job.succeeded"],
      }),
      [
        ["job.started", third.id],
        ["job.succeeded", third.id],
      ],
    );
    assert.deepEqual(await list({ tenantId: null, subjectId: "nobody" }), []);
    assert.equal((await list({ tenantId: null, types: [] })).length, 6);
  });
}

function testEventPages(open: Open): void {
  test("a page that found too little goes on after everything there is", async (context) => {
    const scene = await open(context);
    const { events } = scene.database.readers;
    assert.deepEqual(await events.list(ANY, "", 10), { events: [], nextCursor: "" });
    assert.equal(await events.latestCursor(), "");
    await scene.pendingJob();
    await scene.pendingJob();
    const latest = await events.latestCursor();
    const page = await events.list({ tenantId: "other" as TenantId }, "", 10);
    assert.deepEqual(page, { events: [], nextCursor: latest });
    assert.deepEqual(await events.list(ANY, latest, 10), { events: [], nextCursor: latest });
    const third = await scene.pendingJob();
    const { events: fresh } = await events.list(ANY, latest, 10);
    assert.deepEqual(
      fresh.map(({ subjectId }) => subjectId),
      [third.id],
    );
  });

  test("a cursor of no event is refused", async (context) => {
    const { database } = await open(context);
    for (const cursor of ["x", "-1", " ", "'; drop table event"]) {
      await assert.rejects(database.readers.events.list(ANY, cursor, 1), {
        code: "invalid_argument",
        reason: "malformed_cursor",
      });
    }
  });
}
