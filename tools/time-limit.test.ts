import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { timeLimit } from "./time-limit.ts";

test("it aborts with the signal, for its reason", () => {
  const stop = new AbortController();
  const limit = timeLimit(stop.signal, 60_000);
  assert.equal(limit.aborted, false);
  stop.abort("enough");
  assert.equal(limit.reason, "enough");
  assert.equal(timeLimit(stop.signal, 60_000).reason, "enough");
});

test("it aborts when the time is over", async () => {
  const limit = timeLimit(new AbortController().signal, 1);
  const waiting = setTimeout(() => {}, 60_000);
  if (!limit.aborted) await once(limit, "abort");
  clearTimeout(waiting);
  assert.equal(limit.reason.name, "TimeoutError");
});
