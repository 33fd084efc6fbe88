import assert from "node:assert/strict";
import { test } from "node:test";
import { reconnectDelayMs } from "./backoff.ts";

test("the bound doubles from 1 s to 60 s, the delay is anywhere below it", () => {
  const bounds = [0, 1, 2, 5, 6, 1_000].map((failures) => reconnectDelayMs(failures, () => 1));
  assert.deepEqual(bounds, [1_000, 2_000, 4_000, 32_000, 60_000, 60_000]);
  assert.equal(
    reconnectDelayMs(3, () => 0),
    0,
  );
});
