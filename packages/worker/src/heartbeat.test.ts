import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../test/virtual-clock.ts";
import { startHeartbeat } from "./heartbeat.ts";

function beatsIn(ms: number, intervalMs: number): number {
  const clock = new VirtualClock();
  let count = 0;
  const stop = startHeartbeat(clock, intervalMs, () => {
    count += 1;
  });
  clock.advance(ms);
  stop();
  clock.advance(ms);
  return count;
}

test("it beats at its interval until it is stopped", () => {
  assert.equal(beatsIn(10_000, 3_000), 3);
});

test("an interval without sense is held within bounds", () => {
  assert.equal(beatsIn(1_000, 0), 10);
  assert.equal(beatsIn(120_000, 1e12), 2);
});
