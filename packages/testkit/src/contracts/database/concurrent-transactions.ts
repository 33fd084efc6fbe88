import assert from "node:assert/strict";
import { test } from "node:test";
import {
  applyJobEvents,
  type EventFilter,
  type JobEvent,
  jobEventRecords,
  outcomeOf,
} from "@hodei/domain";
import { after } from "../../builders.ts";
import { waitFor } from "../../wait-for.ts";
import { type Open, readEvents, withoutCursor } from "./scene.ts";

const ANY: EventFilter = { tenantId: null };

/** Promises that matter only where two transactions can be open at once. */
export function testConcurrentTransactions(open: Open): void {
  test("a reader sees every event, also of transactions that commit late", async (context) => {
    const scene = await open(context);
    const { database } = scene;
    const slow = await scene.pendingJob();
    const event: JobEvent = {
      type: "cancelled",
      at: after(1),
      outcome: outcomeOf("cancelled_by", ""),
    };
    const written = Promise.withResolvers<void>();
    const mayCommit = Promise.withResolvers<void>();
    const late = database.transact(async ({ jobs }) => {
      const cancelled = applyJobEvents(await jobs.lock(slow.id), [event]);
      await jobs.update(cancelled, [event]);
      written.resolve();
      await mayCommit.promise;
      return cancelled;
    });
    await written.promise;
    const early = await scene.pendingJob();
    const before = await readEvents(scene.database, ANY, 10);
    const cursor = before.at(-1)?.cursor ?? "";
    assert.ok(!before.some(({ subjectId }) => subjectId === early.id), "not before the late one");
    mayCommit.resolve();
    const cancelled = await late;
    const rest = await waitFor(async () => {
      const { events } = await database.readers.events.list(ANY, cursor, 10);
      return events.length >= 2 && events;
    });
    assert.deepEqual(rest.map(withoutCursor), [
      ...jobEventRecords({ ...cancelled, version: 2 }, [event]),
      ...jobEventRecords(early, [{ type: "created", at: early.createdAt, causedBy: "request/1" }]),
    ]);
  });

  test("the next leadership begins after what the one before is committing", async (context) => {
    const { database } = await open(context);
    const epoch = await database.transact(({ leadership }) => leadership.begin("all"));
    const checked = Promise.withResolvers<void>();
    const mayCommit = Promise.withResolvers<void>();
    const order: string[] = [];
    const committing = database.transact(async ({ leadership }) => {
      await leadership.check("all", epoch);
      checked.resolve();
      await mayCommit.promise;
      order.push("committing");
    });
    await checked.promise;
    await database.transact(({ leadership }) => leadership.check("all", epoch));
    const next = database.transact(async ({ leadership }) => {
      const begun = await leadership.begin("all");
      order.push("begun");
      return begun;
    });
    mayCommit.resolve();
    await committing;
    assert.equal(await next, epoch + 1);
    assert.deepEqual(order, ["committing", "begun"]);
  });
  testSubscriptionHolder(open);
}

function testSubscriptionHolder(open: Open): void {
  test("a subscription has one holder at a time", async (context) => {
    const scene = await open(context);
    const { database } = scene;
    const held = Promise.withResolvers<void>();
    const mayEnd = Promise.withResolvers<void>();
    const holder = database.transact(async ({ subscriptions }) => {
      const state = await subscriptions.lock("webhook");
      held.resolve();
      await mayEnd.promise;
      await subscriptions.save({ ...state, cursor: "c1" });
    });
    await held.promise;
    const lock = (name: string) =>
      database.transact(({ subscriptions }) => subscriptions.lock(name));
    const next = lock("webhook");
    assert.equal((await lock("other")).cursor, null);
    mayEnd.resolve();
    await holder;
    assert.equal((await next).cursor, "c1");
  });
}
