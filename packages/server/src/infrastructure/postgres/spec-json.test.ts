import assert from "node:assert/strict";
import { test } from "node:test";
import { aJobSpec, anyJobSpec } from "@hodei/testkit";
import fc from "fast-check";
import { fromSpecJson, toSpecJson } from "./spec-json.ts";

test("a spec comes back from JSON as it was", () => {
  fc.assert(
    fc.property(anyJobSpec(), (spec) => {
      assert.deepEqual(fromSpecJson(JSON.parse(JSON.stringify(toSpecJson(spec)))), spec);
    }),
  );
});

test("bytes of a larger buffer are taken alone", () => {
  const bytes = new Uint8Array([1, 2, 3, 4]).subarray(1, 3);
  assert.equal(toSpecJson(aJobSpec({ stdin: bytes })).stdin, "AgM=");
});
