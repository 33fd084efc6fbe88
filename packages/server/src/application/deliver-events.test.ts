import assert from "node:assert/strict";
import { test } from "node:test";
import { DELIVERY_TRIES_MAX, type ReplicaId, type StoredEvent, type TenantId } from "@hodei/domain";
import { cancelJob } from "./cancel-job.ts";
import { discardDeadLetters, listDeadLetters, replayDeadLetters } from "./dead-letters.ts";
import { EventDelivery } from "./deliver-events.ts";
import { ALICE, submit, type TestDeps, testDeps } from "./fixtures.test.ts";

const EVES = "eves" as TenantId;
const OTHER_REPLICA = "99999999-0000-7000-8000-000000000001" as ReplicaId;
const PAGE = { limit: 100, token: null };

/** A subscriber that fails for the events that `failing` names, and remembers the others. */
function subscriber(deps: TestDeps, types: readonly string[] = []) {
  const received: StoredEvent[] = [];
  const failing = new Set<string>();
  const delivery = (replicaId = deps.replicaId) =>
    new EventDelivery(
      { ...deps, replicaId },
      {
        name: "webhook",
        types,
        deliver: async (event) => {
          if (failing.has(event.subjectId)) throw new Error("answered HTTP 500");
          received.push(event);
        },
      },
    );
  return {
    delivery,
    failing,
    got: () => received.map(({ type, subjectId }) => [type, subjectId]),
  };
}

/** Runs turns until nothing is left to do, moving time to whenever the next is due. */
async function runThrough(deps: TestDeps, delivery: EventDelivery): Promise<void> {
  for (let next = await delivery.run(); next !== undefined; next = await delivery.run()) {
    await deps.clock.advance(Math.max(0, next.getTime() - deps.clock.now().getTime()));
  }
}

test("a new subscription begins with what comes, and is told of each event once, in order", async () => {
  const deps = testDeps();
  const hook = subscriber(deps);
  const delivery = hook.delivery();
  await submit(deps);
  await delivery.run();
  const job = await submit(deps);
  await cancelJob(deps, ALICE, job.id);
  await delivery.run();
  await delivery.run();
  assert.deepEqual(hook.got(), [
    ["job.created", job.id],
    ["job.cancelled", job.id],
  ]);
});

test("only the types that are asked for are delivered", async () => {
  const deps = testDeps();
  const hook = subscriber(deps, ["job.cancelled"]);
  const delivery = hook.delivery();
  await delivery.run();
  const job = await submit(deps);
  await delivery.run();
  await cancelJob(deps, ALICE, job.id);
  await delivery.run();
  assert.deepEqual(hook.got(), [["job.cancelled", job.id]]);
});

test("while an event is tried again the later ones of its subject wait, others do not", async () => {
  const deps = testDeps();
  const hook = subscriber(deps);
  const delivery = hook.delivery();
  await delivery.run();
  const [bad, good] = [await submit(deps), await submit(deps)];
  hook.failing.add(bad.id);
  const next = await delivery.run();
  assert.deepEqual(hook.got(), [["job.created", good.id]]);
  await cancelJob(deps, ALICE, bad.id);
  await cancelJob(deps, ALICE, good.id);
  hook.failing.clear();
  await delivery.run();
  assert.deepEqual(hook.got().slice(1), [["job.cancelled", good.id]], "its pause is not over");
  await deps.clock.advance((next?.getTime() ?? 0) - deps.clock.now().getTime());
  await delivery.run();
  assert.deepEqual(hook.got().slice(2), [
    ["job.created", bad.id],
    ["job.cancelled", bad.id],
  ]);
  assert.equal(await delivery.run(), undefined);
});

test("an event that fails too often becomes a dead letter, and its subject goes on without it", async () => {
  const deps = testDeps();
  const hook = subscriber(deps);
  const delivery = hook.delivery();
  await delivery.run();
  const job = await submit(deps);
  hook.failing.add(job.id);
  const begunAt = deps.clock.now().getTime();
  await runThrough(deps, delivery);
  const minutes = (deps.clock.now().getTime() - begunAt) / 60_000;
  assert.ok(minutes > 30 && minutes < 80, `given up after ${minutes} minutes`);
  const { items } = await listDeadLetters(deps, ALICE, PAGE);
  assert.deepEqual(
    items.map(({ event, failures, error }) => [event.type, failures, error]),
    [["job.created", DELIVERY_TRIES_MAX, "answered HTTP 500"]],
  );
  assert.deepEqual(deps.warnings, ["event_given_up"]);
  hook.failing.clear();
  await cancelJob(deps, ALICE, job.id);
  await delivery.run();
  assert.deepEqual(hook.got(), [["job.cancelled", job.id]]);
});

test("a dead letter is delivered when it is replayed, and forgotten when it is discarded", async () => {
  const deps = testDeps();
  const hook = subscriber(deps);
  const delivery = hook.delivery();
  await delivery.run();
  const [first, second] = [await submit(deps), await submit(deps)];
  for (const { id } of [first, second]) hook.failing.add(id);
  await runThrough(deps, delivery);
  hook.failing.clear();
  const { items } = await listDeadLetters(deps, ALICE, PAGE);
  const keys = items
    .filter(({ event }) => event.subjectId === first.id)
    .map(({ subscription, event: { cursor } }) => ({ subscription, cursor }));
  assert.equal(await replayDeadLetters(deps, ALICE, keys), 1);
  await delivery.run();
  assert.deepEqual(hook.got(), [["job.created", first.id]]);
  assert.equal(await discardDeadLetters(deps, { ...ALICE, tenantId: EVES }, null), 0);
  assert.equal(await discardDeadLetters(deps, ALICE, null), 1);
  assert.deepEqual((await listDeadLetters(deps, ALICE, PAGE)).items, []);
});

test("one replica delivers; another takes over when it stops, or when it was silent for long", async () => {
  const deps = testDeps();
  const hook = subscriber(deps);
  const [a, b] = [hook.delivery(), hook.delivery(OTHER_REPLICA)];
  await a.run();
  const first = await submit(deps);
  await b.run();
  assert.deepEqual(hook.got(), [], "the first holds it");
  await a.run();
  await a.release();
  const second = await submit(deps);
  await b.run();
  const third = await submit(deps);
  await a.run();
  assert.deepEqual(hook.got().length, 2, "the second holds it");
  await deps.clock.advance(20_000);
  await a.run();
  assert.deepEqual(
    hook.got().map(([, id]) => id),
    [first.id, second.id, third.id],
  );
});

test("a replica that was taken over from stores nothing", async () => {
  const deps = testDeps();
  const hook = subscriber(deps);
  const [slow, other] = [hook.delivery(), hook.delivery(OTHER_REPLICA)];
  await slow.run();
  const job = await submit(deps);
  const claimed = deps.database.transact.bind(deps.database);
  // The turn is slow: its claim runs out, and another replica delivers meanwhile.
  const list = deps.database.readers.subscriptions.listWaiting;
  let isFirst = true;
  deps.database.readers.subscriptions.listWaiting = async (name, limit) => {
    const found = await list.call(deps.database.readers.subscriptions, name, limit);
    if (isFirst) {
      isFirst = false;
      await deps.clock.advance(20_000);
      await other.run();
    }
    return found;
  };
  await slow.run();
  assert.deepEqual(deps.warnings, ["subscription_taken_over"]);
  assert.deepEqual(hook.got(), [["job.created", job.id]], "too late to begin");
  const state = await claimed(({ subscriptions }) => subscriptions.lock("webhook"));
  assert.equal(state.holder, OTHER_REPLICA);
});

test("a delivery that is interrupted counts as not begun", async () => {
  const deps = testDeps();
  const started = Promise.withResolvers<void>();
  const delivery = new EventDelivery(deps, {
    name: "webhook",
    types: [],
    deliver: (_, stop) =>
      new Promise((_resolve, reject) => {
        stop.addEventListener("abort", () => reject(new Error("aborted")));
        started.resolve();
      }),
  });
  await delivery.run();
  await submit(deps);
  const turn = delivery.run();
  await started.promise;
  delivery.interrupt();
  await turn;
  const waiting = await deps.database.readers.subscriptions.listWaiting("webhook", 10);
  assert.deepEqual(
    waiting.map(({ failures }) => failures),
    [0],
  );
});

test("a replica delivers nothing that another may be delivering, however slow that is", async () => {
  const deps = testDeps();
  const begun: string[] = [];
  const delivery = (name: string, replicaId: ReplicaId, tookMs: number) =>
    new EventDelivery(
      { ...deps, replicaId },
      {
        name: "webhook",
        types: [],
        deliver: async (event: StoredEvent) => {
          begun.push(`${name} ${event.type}`);
          await deps.clock.sleep(tookMs);
        },
      },
    );
  const first = delivery("first", deps.replicaId, 7_500);
  const second = delivery("second", OTHER_REPLICA, 0);
  await first.run();
  await deps.clock.advance(9_500);
  const { id } = await submit(deps);
  await deps.database.transact(async ({ jobs }) => {
    const job = await jobs.lock(id);
    const at = deps.clock.now();
    const end = { type: "cancelled", at, outcome: { reason: "cancelled_by" } } as never;
    await jobs.update({ ...job, state: "cancelled", finishedAt: at }, [end]);
  });
  const turn = first.run();
  await deps.clock.advance(12_000);
  await second.run();
  await deps.clock.advance(10_000);
  await turn;
  assert.deepEqual(begun, ["first job.created", "first job.cancelled"]);
});
