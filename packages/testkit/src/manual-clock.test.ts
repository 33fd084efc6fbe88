import assert from "node:assert/strict";
import { test } from "node:test";
import { after, START } from "./builders.ts";
import { ManualClock } from "./manual-clock.ts";

test("time stands still until it is moved", async () => {
  const clock = new ManualClock(START);
  assert.deepEqual(clock.now(), START);
  await clock.advance(5);
  assert.deepEqual(clock.now(), after(5));
});

test("sleepers wake in order, each at its own time, and may sleep again", async () => {
  const clock = new ManualClock(START);
  const woken: [string, Date][] = [];
  const sleep = async (name: string, ...pauses: number[]) => {
    for (const ms of pauses) {
      await clock.sleep(ms);
      woken.push([name, clock.now()]);
    }
  };
  const all = Promise.all([sleep("a", 30), sleep("b", 10, 15), sleep("c", 40)]);
  await clock.advance(30);
  assert.deepEqual(woken, [
    ["b", after(10)],
    ["b", after(25)],
    ["a", after(30)],
  ]);
  assert.equal(clock.sleeperCount, 1);
  await clock.advance(10);
  await all;
});

test("an abort wakes at once; a sleep of nothing, or after an abort, does not begin", async () => {
  const clock = new ManualClock(START);
  const abort = new AbortController();
  const sleeping = clock.sleep(1_000, abort.signal);
  assert.equal(clock.sleeperCount, 1);
  abort.abort();
  await sleeping;
  await clock.sleep(1_000, abort.signal);
  await clock.sleep(0);
  assert.equal(clock.sleeperCount, 0);
  assert.deepEqual(clock.now(), START);
});
