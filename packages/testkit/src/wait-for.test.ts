import assert from "node:assert/strict";
import { test } from "node:test";
import { waitFor } from "./wait-for.ts";

test("the first value that is there comes back, zero and empty text included", async () => {
  const values = [undefined, null, false, 0];
  assert.equal(await waitFor(() => values.shift()), 0);
  assert.equal(await waitFor(async () => ""), "");
});

test("what does not come is named, and an error comes through at once", async () => {
  await assert.rejects(
    waitFor(() => false, { timeoutMs: 1, what: "the end" }),
    /the end did not come in 1 ms/,
  );
  const failure = new Error("broken");
  await assert.rejects(
    waitFor(() => Promise.reject(failure)),
    failure,
  );
});
