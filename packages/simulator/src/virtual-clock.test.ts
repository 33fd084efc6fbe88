import assert from "node:assert/strict";
import { test } from "node:test";
import { START } from "@hodei/testkit";
import { VirtualClock } from "./virtual-clock.ts";

const FOREVER_MS = 1e12;
const never = () => false;

test("timers go off in the order of their times, those of one instant in the order in which they were set", async () => {
  const clock = new VirtualClock(START);
  const seen: [string, number][] = [];
  const note = (name: string) => () => seen.push([name, clock.elapsedMs]);
  clock.schedule(20, note("c"));
  clock.schedule(10, note("a"));
  clock.schedule(10, note("b"));
  clock.schedule(0, () => clock.schedule(0, note("now")));
  await clock.run(FOREVER_MS, never);
  assert.deepEqual(seen, [
    ["now", 0],
    ["a", 10],
    ["b", 10],
    ["c", 20],
  ]);
});

test("a day of virtual time takes no real time", async () => {
  const clock = new VirtualClock(START);
  const startMs = performance.now();
  let woken = false;
  void clock.sleep(86_400_000).then(() => {
    woken = true;
  });
  await clock.run(FOREVER_MS, never);
  assert.ok(woken);
  assert.equal(clock.now().getTime() - START.getTime(), 86_400_000);
  assert.ok(performance.now() - startMs < 5_000);
});

test("a long chain of promises comes to rest before time goes on", async () => {
  const clock = new VirtualClock(START);
  let links = 0;
  const chain = async () => {
    await clock.sleep(5);
    for (; links < 10_000; links += 1) await Promise.resolve();
  };
  void chain();
  let linksAtNext = 0;
  clock.schedule(5, () => {
    linksAtNext = links;
  });
  await clock.run(FOREVER_MS, never);
  assert.equal(linksAtNext, 10_000);
});

test("a sleep that is aborted ends at once, and its timer with it", async () => {
  const clock = new VirtualClock(START);
  const stop = new AbortController();
  let wokenAtMs = -1;
  void clock.sleep(100, stop.signal).then(() => {
    wokenAtMs = clock.elapsedMs;
  });
  clock.schedule(7, () => stop.abort());
  await clock.run(FOREVER_MS, never);
  assert.equal(wokenAtMs, 7);
  assert.equal(clock.elapsedMs, 7);
  await clock.sleep(100, stop.signal);
});

test("a run ends at its limit and goes on from there", async () => {
  const clock = new VirtualClock(START);
  const seen: number[] = [];
  for (const ms of [10, 20, 30]) clock.schedule(ms, () => seen.push(ms));
  await clock.run(15, never);
  assert.deepEqual([seen, clock.elapsedMs], [[10], 15]);
  await clock.run(FOREVER_MS, () => seen.length === 2);
  assert.deepEqual([seen, clock.elapsedMs], [[10, 20], 20]);
  await clock.run(FOREVER_MS, never);
  assert.deepEqual(seen, [10, 20, 30]);
});

test("what spins without letting time pass is a bug, not an endless run", async () => {
  const clock = new VirtualClock(START);
  const spin = () => void clock.schedule(0, spin);
  spin();
  await assert.rejects(clock.run(FOREVER_MS, never), /virtual time goes on/);
});
