import assert from "node:assert/strict";
import { test } from "node:test";
import { anAttempt, anyAttemptEvent } from "@hodei/testkit";
import fc from "fast-check";
import {
  ATTEMPT_TRANSITIONS,
  type AttemptState,
  applyAttemptEvent,
  isAttemptOver,
} from "./attempt.ts";

test("an attempt starts at most once and ends at most once, with an outcome", () => {
  fc.assert(
    fc.property(fc.array(anyAttemptEvent(), { maxLength: 10 }), (events) => {
      let attempt = anAttempt();
      for (const event of events) {
        if (ATTEMPT_TRANSITIONS[attempt.state][event.type] === undefined) {
          assert.throws(() => applyAttemptEvent(attempt, event), {
            code: "failed_precondition",
            reason: "illegal_transition",
          });
          continue;
        }
        const next = applyAttemptEvent(attempt, event);
        assert.equal(isAttemptOver(attempt.state), false);
        assert.equal(next.finishedAt !== null, isAttemptOver(next.state));
        assert.equal(next.outcome !== null, isAttemptOver(next.state));
        if (event.type === "started") assert.equal(attempt.startedAt, null);
        attempt = next;
      }
    }),
  );
});

test("an attempt that never started can only be lost", () => {
  assert.deepEqual(Object.keys(ATTEMPT_TRANSITIONS.assigned), ["started", "lost"]);
  const over = (Object.keys(ATTEMPT_TRANSITIONS) as AttemptState[]).filter(isAttemptOver);
  assert.deepEqual(over, ["succeeded", "failed", "cancelled", "timed_out", "lost"]);
});
