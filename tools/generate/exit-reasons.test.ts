import assert from "node:assert/strict";
import { test } from "node:test";
import { renderExitReasons } from "./exit-reasons.ts";

test("each reason gets a row, and a bar in a sentence does not end its cell", () => {
  const text = renderExitReasons({
    signal: { severity: "user", retryable: true, endState: "failed", action: "Look at a | b." },
    cancelled_by: { severity: "none", retryable: false, endState: "cancelled", action: "Nothing." },
  });
  assert.deepEqual(text.trimEnd().split("\n").slice(-2), [
    "| `signal` | user | yes | `failed` | Look at a \\| b. |",
    "| `cancelled_by` | none | no | `cancelled` | Nothing. |",
  ]);
});
