import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { abortsWith } from "./aborts-with.ts";

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

test("it aborts with its parent, for the same reason", () => {
  const parent = new AbortController();
  const { signal } = abortsWith(parent.signal);
  assert.equal(signal.aborted, false);
  parent.abort("enough");
  assert.equal(signal.reason, "enough");
  assert.equal(abortsWith(parent.signal).signal.reason, "enough");
});

test("its own abort, of which the parent hears nothing, unties them", () => {
  const parent = new AbortController();
  const child = abortsWith(parent.signal);
  child.abort("done");
  parent.abort("enough");
  assert.equal(child.signal.reason, "done");
});

test("without a parent it aborts alone", () => {
  assert.equal(abortsWith(undefined).signal.aborted, false);
});

test("an abort that nobody listened for is remembered after the parent is gone", async () => {
  const { signal } = abortsWith(signalAborted("enough"));
  await setImmediate();
  collectGarbage();
  assert.equal(signal.reason, "enough");
});

/** Nothing else refers to the signal's controller. It aborts soon. */
function signalAborted(reason: string): AbortSignal {
  const parent = new AbortController();
  queueMicrotask(() => parent.abort(reason));
  return parent.signal;
}
