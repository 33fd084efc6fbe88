import assert from "node:assert/strict";
import { test } from "node:test";
import { parseJobId } from "@hodei/domain";
import { timeOrderedIds } from "./ids.ts";

test("ids are distinct UUIDs of version 7 that begin with the time", () => {
  const before = Date.now();
  const ids = Array.from({ length: 1_000 }, () => timeOrderedIds.next());
  const after = Date.now();
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) {
    assert.equal(parseJobId(id), id);
    assert.match(id, /^.{14}7.{4}[89ab]/);
    const at = Number.parseInt(id.replace("-", "").slice(0, 12), 16);
    assert.ok(before <= at && at <= after, `${id} holds ${at}`);
  }
});
