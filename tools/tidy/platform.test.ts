import assert from "node:assert/strict";
import { test } from "node:test";
import { checkPlatform } from "./platform.ts";
import { parseSource } from "./source.ts";

test("combined signals are refused, in tests too", () => {
  const text = "const signal = AbortSignal.any([a, b]);";
  assert.equal(check("packages/sdk/src/a.ts", text).length, 1);
  assert.equal(check("packages/sdk/src/a.test.ts", text).length, 1);
});

test("other signals and words about them are not", () => {
  assert.deepEqual(check("tools/a.ts", "// not AbortSignal.any\nAbortSignal.timeout(5);"), []);
});

function check(path: string, text: string) {
  return checkPlatform([parseSource(path, text)]);
}
