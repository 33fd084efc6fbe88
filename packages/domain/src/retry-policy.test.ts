import assert from "node:assert/strict";
import { test } from "node:test";
import { anyExitReason, anyRetryPolicy } from "@hodei/testkit";
import fc from "fast-check";
import { EXIT_REASONS } from "./exit-reasons.ts";
import { DEFAULT_RETRY_POLICY, isRetried, type RetryPolicy, retryDelayMs } from "./retry-policy.ts";

const ALMOST_ONE = 1 - Number.EPSILON;
const POLICY: RetryPolicy = { maxAttempts: 10, baseDelayMs: 100, maxDelayMs: 1_000, reasons: [] };

test("delays are spread evenly from nothing to a bound that doubles up to the largest", () => {
  const bounds = [1, 2, 3, 4, 5, 9].map((started) =>
    retryDelayMs(POLICY, started, () => ALMOST_ONE),
  );
  assert.deepEqual(bounds, [99, 199, 399, 799, 999, 999]);
  assert.deepEqual(
    [0, 0.25, 0.5, 0.75].map((random) => retryDelayMs(POLICY, 2, () => random)),
    [0, 50, 100, 150],
  );
});

test("there is a delay exactly while attempts are left, and it is within its bounds", () => {
  const anyRandom = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(anyRetryPolicy(), fc.nat({ max: 200 }), anyRandom, (policy, started, random) => {
      const delayMs = retryDelayMs(policy, started, () => random);
      assert.equal(delayMs === undefined, started >= policy.maxAttempts);
      if (delayMs === undefined) return;
      assert.ok(Number.isInteger(delayMs) && delayMs >= 0 && delayMs <= policy.maxDelayMs);
    }),
  );
});

test("a job that does not say otherwise is not repeated", () => {
  assert.equal(
    retryDelayMs(DEFAULT_RETRY_POLICY, 1, () => 0),
    undefined,
  );
});

test("a policy retries the reasons that it names, or else the retryable ones", () => {
  fc.assert(
    fc.property(anyRetryPolicy(), anyExitReason(), (policy, reason) => {
      const named = policy.reasons.length > 0;
      const expected = named ? policy.reasons.includes(reason) : EXIT_REASONS[reason].retryable;
      const isNeverRetried = reason === "completed" || reason === "cancelled_by";
      assert.equal(isRetried(policy, reason), !isNeverRetried && expected);
    }),
  );
});
