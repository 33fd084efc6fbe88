import assert from "node:assert/strict";
import { test } from "node:test";
import { after } from "@hodei/testkit";
import fc from "fast-check";
import type { JobId } from "../ids.ts";
import { byUrgency, dueSince, PRIORITY_STEP_MS, urgentSince } from "./urgency.ts";

const job = (id: string, dueMs: number, priority = 0) => ({
  jobId: id as JobId,
  priority,
  urgentSince: urgentSince(after(dueMs), priority),
});

const order = (...jobs: ReturnType<typeof job>[]) =>
  jobs.toSorted(byUrgency).map(({ jobId }) => jobId);

test("priority, then age, then id decide who goes first", () => {
  assert.deepEqual(order(job("old", 0), job("urgent", 9, 1)), ["urgent", "old"]);
  assert.deepEqual(order(job("b", 1), job("a", 1), job("old", 0)), ["old", "a", "b"]);
});

test("a minute of waiting is worth a point of priority", () => {
  const waiting = job("waiting", 0, -100);
  const newUrgent = (afterMs: number) => job("urgent", afterMs, 100);
  const bound = 200 * PRIORITY_STEP_MS;
  assert.deepEqual(order(waiting, newUrgent(bound - 1)), ["urgent", "waiting"]);
  assert.deepEqual(order(waiting, newUrgent(bound + 1)), ["waiting", "urgent"]);
});

test("when a job was due can be told from its urgency", () => {
  const anyPriority = fc.integer({ min: -100, max: 100 });
  fc.assert(
    fc.property(fc.nat(), anyPriority, (dueMs, priority) => {
      assert.deepEqual(dueSince(job("job", dueMs, priority)), after(dueMs));
    }),
  );
});

test("the order is total", () => {
  const anyJobs = fc.uniqueArray(
    fc.tuple(fc.string(), fc.nat({ max: 99_000 }), fc.integer({ min: -2, max: 2 })),
    { selector: ([id]) => id, maxLength: 9 },
  );
  fc.assert(
    fc.property(anyJobs, (facts) => {
      const jobs = facts.map((fact) => job(...fact));
      assert.deepEqual(order(...jobs.toReversed()), order(...jobs));
    }),
  );
});
