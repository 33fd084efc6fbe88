import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../test/virtual-clock.ts";
import { startDeadline, systemClock } from "./clock.ts";

test("a deadline longer than a timer fires at its own time", () => {
  const clock = new VirtualClock();
  const DAY_MS = 86_400_000;
  let firedAtMs = 0;
  const shortTimers = {
    ...clock,
    monotonicMs: () => clock.monotonicMs(),
    startTimer: (ms: number, fire: () => void) => clock.startTimer(Math.min(ms, 24 * DAY_MS), fire),
    now: () => clock.now(),
    sleep: (ms: number) => clock.sleep(ms),
  };
  startDeadline(shortTimers, 100 * DAY_MS, () => {
    firedAtMs = clock.monotonicMs();
  });
  clock.advance(200 * DAY_MS);
  assert.equal(firedAtMs, 100 * DAY_MS);
});

test("a cancelled deadline does not fire, also between two of its timers", () => {
  const clock = new VirtualClock();
  const cancel = startDeadline(clock, 1_000, () => assert.fail("it fired"));
  clock.advance(500);
  cancel();
  clock.advance(1_000);
  assert.equal(clock.timerCount, 0);
});

test("sleep ends at once when its signal aborts", async () => {
  const stop = new AbortController();
  const asleep = systemClock.sleep(60_000, stop.signal);
  stop.abort();
  await asleep;
  await systemClock.sleep(60_000, stop.signal);
});
