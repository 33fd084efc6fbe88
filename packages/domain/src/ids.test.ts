import assert from "node:assert/strict";
import { test } from "node:test";
import { SequenceIds } from "@hodei/testkit";
import { parseJobId, parseWorkerId } from "./ids.ts";

test("ids are UUIDs, in any case, and come out in lower case", () => {
  const id = new SequenceIds().next();
  assert.equal(parseJobId(id), id);
  assert.equal(
    parseWorkerId("01890A5D-AC96-774B-BCCE-B302099A8057"),
    "01890a5d-ac96-774b-bcce-b302099a8057",
  );
  for (const bad of ["", "x", `${id}0`, id.slice(1), ` ${id}`, id.replaceAll("-", "")]) {
    assert.throws(() => parseJobId(bad), { code: "invalid_argument", reason: "malformed_id" });
  }
});
