import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReplicaId, StoredEvent, TenantId, UndeliveredEvent } from "@hodei/domain";
import { after, START } from "../../builders.ts";
import type { Open } from "./scene.ts";

const ACME = "acme" as TenantId;
const OTHER = "other" as TenantId;

function anEvent(cursor: string, tenantId = ACME): StoredEvent {
  return {
    cursor,
    tenantId,
    subjectType: "job",
    subjectId: `subject of ${cursor}`,
    version: 3,
    type: "job.failed",
    at: after(7),
    correlationId: "correlation",
    causedBy: "request/1",
    data: { nested: { value: 1 } },
  };
}

function undelivered(cursor: string, parts: Partial<UndeliveredEvent> = {}): UndeliveredEvent {
  return {
    subscription: "webhook",
    event: anEvent(cursor),
    failures: 0,
    error: "",
    nextTryAt: START,
    deadAt: null,
    ...parts,
  };
}

const dead = (cursor: string, parts: Partial<UndeliveredEvent> = {}): UndeliveredEvent =>
  undelivered(cursor, { failures: 15, error: "HTTP 500", deadAt: after(9), ...parts });

export function testSubscriptions(open: Open): void {
  testSubscriptionState(open);
  testWaitingEvents(open);
  testDeadLetters(open);
}

function testSubscriptionState(open: Open): void {
  test("a subscription has no cursor until it is saved", async (context) => {
    const { database } = await open(context);
    const lock = (name: string) =>
      database.transact(({ subscriptions }) => subscriptions.lock(name));
    const fresh = { name: "webhook", cursor: null, holder: null, heldUntil: null };
    assert.deepEqual(await lock("webhook"), fresh);
    const holder = "00000000-0000-7000-8000-00000000000d" as ReplicaId;
    const held = { ...fresh, cursor: "c7", holder, heldUntil: after(5) };
    await database.transact(async ({ subscriptions }) => {
      await subscriptions.lock("webhook");
      await subscriptions.save(held);
    });
    assert.deepEqual(await lock("webhook"), held);
    assert.deepEqual(await lock("other"), { ...fresh, name: "other" });
  });
}

function testWaitingEvents(open: Open): void {
  test("undelivered events come back whole, in order, without the dead ones", async (context) => {
    const { database } = await open(context);
    const { subscriptions: reader } = database.readers;
    const waiting = [undelivered("c1"), undelivered("c3", { failures: 2, error: "HTTP 503" })];
    await database.transact(async ({ subscriptions }) => {
      await subscriptions.saveUndelivered([...waiting.toReversed(), dead("c2")]);
      await subscriptions.saveUndelivered([undelivered("c0", { subscription: "other" })]);
      await subscriptions.saveUndelivered([]);
    });
    assert.deepEqual(await reader.listWaiting("webhook", 10), waiting);
    assert.deepEqual(await reader.listWaiting("webhook", 1), waiting.slice(0, 1));
    const later = undelivered("c1", { failures: 1, error: "no", nextTryAt: after(50) });
    await database.transact(async ({ subscriptions }) => {
      await subscriptions.saveUndelivered([later]);
      await subscriptions.removeUndelivered("webhook", ["c3"]);
      await subscriptions.removeUndelivered("other", ["c1"]);
      await subscriptions.removeUndelivered("webhook", []);
    });
    assert.deepEqual(await reader.listWaiting("webhook", 10), [later]);
  });
}

function testDeadLetters(open: Open): void {
  test("dead letters are listed by tenant in pages, and counted for all", async (context) => {
    const { database } = await open(context);
    const { subscriptions: reader } = database.readers;
    const own = ["c1", "c2", "c3"].map((cursor) => dead(cursor));
    const others = dead("c4", { event: anEvent("c4", OTHER) });
    await database.transact(({ subscriptions }) =>
      subscriptions.saveUndelivered([...own, others, undelivered("c5")]),
    );
    const first = await reader.listDead(ACME, { limit: 2, token: null });
    assert.deepEqual(first.items, own.slice(0, 2));
    const rest = await reader.listDead(ACME, { limit: 2, token: first.nextToken });
    assert.deepEqual(rest, { items: own.slice(2), nextToken: null });
    assert.equal(await reader.countDead("webhook"), 4);
    assert.equal(await reader.countDead("other"), 0);
  });

  test("dead letters that are chosen, or all, are tried anew or forgotten", async (context) => {
    const { database } = await open(context);
    const { subscriptions: reader } = database.readers;
    const letters = [
      dead("c1"),
      dead("c2"),
      dead("c3", { event: anEvent("c3", OTHER) }),
      dead("c4"),
    ];
    await database.transact(({ subscriptions }) => subscriptions.saveUndelivered(letters));
    const key = (cursor: string) => ({ subscription: "webhook", cursor });
    const replayed = await database.transact(({ subscriptions }) =>
      subscriptions.replayDead(ACME, [key("c1"), key("c3"), key("nothing")], after(60)),
    );
    assert.equal(replayed, 1);
    const again = { failures: 0, error: "HTTP 500", nextTryAt: after(60) };
    assert.deepEqual(await reader.listWaiting("webhook", 10), [undelivered("c1", again)]);
    const discarded = await database.transact(async ({ subscriptions }) => [
      await subscriptions.discardDead(ACME, [key("c3"), key("c2")]),
      await subscriptions.replayDead(ACME, null, after(70)),
      await subscriptions.discardDead(ACME, null),
      await subscriptions.discardDead(OTHER, null),
    ]);
    assert.deepEqual(discarded, [1, 1, 0, 1]);
    assert.equal(await reader.countDead("webhook"), 0);
    assert.equal((await reader.listWaiting("webhook", 10)).length, 2);
  });
}
