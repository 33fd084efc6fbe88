import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "@hodei/testkit";
import { settled } from "./fixtures.test.ts";
import { Reconciler, type ReconcilerOptions } from "./reconciler.ts";
import { Signals } from "./signals.ts";

/** Whether `promise` has been resolved by now. */
async function isDone(promise: Promise<void>): Promise<boolean> {
  let done = false;
  void promise.then(() => {
    done = true;
  });
  await settled();
  return done;
}

test("a notification between two waits is not missed, and counts once", async () => {
  const signals = new Signals(new ManualClock());
  const wakeup = signals.subscribe(["due"]);
  signals.notify("due");
  signals.notify("due");
  assert.equal(await isDone(wakeup.wait(1_000)), true);
  assert.equal(await isDone(wakeup.wait(1_000)), false);
});

test("a wait ends with a notification, its time or its stop, and other topics do not end it", async () => {
  const clock = new ManualClock();
  const signals = new Signals(clock);
  const wakeup = signals.subscribe(["due"]);
  const first = wakeup.wait(1_000);
  signals.notify("workers");
  assert.equal(await isDone(first), false);
  signals.notify("due");
  assert.equal(await isDone(first), true);
  const second = wakeup.wait(1_000);
  await clock.advance(1_000);
  assert.equal(await isDone(second), true);
  const stop = new AbortController();
  const third = wakeup.wait(1_000, stop.signal);
  stop.abort();
  assert.equal(await isDone(third), true);
  assert.equal(clock.sleeperCount, 0);
});

function loop(parts: Partial<ReconcilerOptions>) {
  const clock = new ManualClock();
  const signals = new Signals(clock);
  const errors: string[] = [];
  const log = { info: () => {}, warn: () => {}, error: (event: string) => void errors.push(event) };
  const options: ReconcilerOptions = {
    name: "test",
    topics: ["due"],
    intervalMs: 1_000,
    enabled: () => true,
    run: async () => undefined,
    ...parts,
  };
  return { clock, signals, errors, reconciler: new Reconciler({ clock, signals, log }, options) };
}

test("a loop turns at its start, when woken, when its time is over, and when a turn asked for it", async () => {
  let turns = 0;
  const { clock, signals, reconciler } = loop({
    run: async () => {
      turns += 1;
      return turns === 3 ? new Date(clock.now().getTime() + 200) : undefined;
    },
  });
  await reconciler.start();
  await settled();
  assert.equal(turns, 1);
  signals.notify("due");
  await settled();
  assert.equal(turns, 2);
  await clock.advance(1_000);
  await settled();
  assert.equal(turns, 3);
  await clock.advance(200);
  await settled();
  assert.equal(turns, 4);
  await reconciler.stop();
  await reconciler.stop();
  signals.notify("due");
  await settled();
  assert.equal(turns, 4);
});

test("a loop with a spacing takes what wakes it meanwhile in one turn after it", async () => {
  let turns = 0;
  const run = async () => {
    turns += 1;
    return undefined;
  };
  const { clock, signals, reconciler } = loop({ run, spacingMs: 100 });
  await reconciler.start();
  await settled();
  for (let count = 0; count < 3; count += 1) {
    signals.notify("due");
    await settled();
  }
  assert.equal(turns, 1);
  await clock.advance(100);
  await settled();
  assert.equal(turns, 2);
  await clock.advance(100);
  signals.notify("due");
  await settled();
  assert.equal(turns, 3, "at once when nothing woke it for longer than that");
  await clock.advance(999);
  await settled();
  assert.equal(turns, 3);
  await clock.advance(1);
  await settled();
  assert.equal(turns, 4, "the interval counts from turn to turn");
  await reconciler.stop();
});

test("a loop with a spacing does not wait when a turn asks for the next one at once", async () => {
  let turns = 0;
  const { clock, reconciler } = loop({
    spacingMs: 100,
    run: async () => {
      turns += 1;
      return turns < 5 ? clock.now() : undefined;
    },
  });
  await reconciler.start();
  await settled();
  assert.equal(turns, 5);
  await reconciler.stop();
});

test("a loop that fails says so and turns again; one that is not enabled rests", async () => {
  let turns = 0;
  let enabled = true;
  const { clock, errors, reconciler } = loop({
    enabled: () => enabled,
    run: async () => {
      turns += 1;
      throw new Error("the database is away");
    },
  });
  await reconciler.start();
  await settled();
  await clock.advance(1_000);
  await settled();
  assert.deepEqual(errors, ["reconciler_failed", "reconciler_failed"]);
  enabled = false;
  await clock.advance(5_000);
  await settled();
  assert.equal(turns, 2);
  await reconciler.stop();
});

test("a loop that was never started can be stopped", async () => {
  await loop({}).reconciler.stop();
});
