import assert from "node:assert/strict";
import { test } from "node:test";
import { aJobSpec, anyJobSpec } from "@hodei/testkit";
import fc from "fast-check";
import { fromSpecColumns, toSpecColumns } from "./spec-columns.ts";

test("a spec comes back from JSON as it was", () => {
  fc.assert(
    fc.property(anyJobSpec(), (spec) => {
      assert.deepEqual(fromSpecColumns(JSON.parse(JSON.stringify(toSpecColumns(spec)))), spec);
    }),
  );
});

test("bytes of a larger buffer are taken alone", () => {
  const bytes = new Uint8Array([1, 2, 3, 4]).subarray(1, 3);
  assert.equal(toSpecColumns(aJobSpec({ stdin: bytes })).spec.stdin, "AgM=");
});
