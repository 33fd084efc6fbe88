import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EventQueue, type Timer } from "./event-queue.ts";

test("timers come out sorted by time, then by sequence, without those that were cancelled", () => {
  const anyTimers = fc.array(fc.record({ atMs: fc.nat({ max: 20 }), cancelled: fc.boolean() }));
  fc.assert(
    fc.property(anyTimers, (plans) => {
      const queue = new EventQueue();
      const timers = plans.map(
        ({ atMs }, sequence): Timer => ({ atMs, sequence, action: noAction }),
      );
      for (const timer of timers) queue.push(timer);
      for (const [index, timer] of timers.entries()) {
        if (plans[index]?.cancelled) timer.action = undefined;
      }
      const expected = timers
        .filter(({ action }) => action !== undefined)
        .toSorted((a, b) => a.atMs - b.atMs || a.sequence - b.sequence);
      assert.deepEqual(
        expected.map(() => queue.pop()),
        expected,
      );
      assert.equal(queue.pop(), undefined);
    }),
  );
});

const noAction = () => {};
