import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { checkPurity } from "./purity.ts";
import { parseSource } from "./source.ts";

describe("purity", () => {
  const impure = [
    "const at = Date.now();",
    "const at = new Date();",
    "const x = Math.random();",
    "const at = performance.now();",
    "setTimeout(() => {}, 10);",
    "const id = crypto.randomUUID();",
  ];
  for (const text of impure) {
    test(`refuses ${text}`, () => {
      assert.equal(check("packages/domain/src/a.ts", text).length, 1);
    });
  }

  test("a date made from data is pure", () => {
    assert.deepEqual(check("packages/domain/src/a.ts", "new Date(job.runAt.getTime() + 1);"), []);
  });

  test("adapters and tests may look at the clock", () => {
    const text = "Date.now();";
    assert.deepEqual(check("packages/server/src/infrastructure/a.ts", text), []);
    assert.deepEqual(check("packages/domain/src/a.test.ts", text), []);
    assert.equal(check("packages/server/src/application/a.ts", text).length, 1);
  });
});

function check(path: string, text: string) {
  return checkPurity([parseSource(path, text)]);
}
