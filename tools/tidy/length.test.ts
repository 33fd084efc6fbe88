import assert from "node:assert/strict";
import { test } from "node:test";
import { checkLength } from "./length.ts";
import { parseSource } from "./source.ts";

test("a file may have 400 lines and a test 800", () => {
  const check = (path: string, lines: number) =>
    checkLength([parseSource(path, "x;\n".repeat(lines))]).length;
  assert.equal(check("a.ts", 400), 0);
  assert.equal(check("a.ts", 401), 1);
  assert.equal(check("a.test.ts", 800), 0);
  assert.equal(check("a.test.ts", 801), 1);
});
