import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { compareTrees, readTree } from "./files.ts";

test("a difference says what it is", () => {
  const wanted = new Map([
    ["same", "1"],
    ["changed", "1"],
    ["new", "1"],
  ]);
  const found = new Map([
    ["same", "1"],
    ["changed", "2"],
    ["old", "1"],
  ]);
  assert.deepEqual(compareTrees(wanted, found), [
    "stale: changed",
    "missing: new",
    "left over: old",
  ]);
});

test("a directory that does not exist has no files", async () => {
  assert.equal((await readTree(join(import.meta.dirname, "nowhere"))).size, 0);
});
