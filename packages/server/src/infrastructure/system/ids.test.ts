import assert from "node:assert/strict";
import { test } from "node:test";
import { parseJobId } from "@hodei/domain";
import { timeOrderedIds } from "./ids.ts";

const timeOf = (id: string): number => Number.parseInt(id.replace("-", "").slice(0, 12), 16);

test("ids are UUIDs of version 7 that begin with the time", () => {
  const id = timeOrderedIds(() => 1_700_000_000_000).next();
  assert.equal(parseJobId(id), id);
  assert.match(id, /^.{14}7.{4}[89ab]/);
  assert.equal(timeOf(id), 1_700_000_000_000);
});

test("ids ascend within a millisecond, beyond what it can hold, and when the clock is set back", () => {
  const times = [...Array.from({ length: 10_000 }, () => 5_000), 4_000, 4_001, 9_000];
  const last = times.length;
  let index = 0;
  const ids = timeOrderedIds(() => times[index++] ?? 0);
  const made = Array.from({ length: last }, () => ids.next());
  assert.equal(made.join() === made.toSorted().join(), true);
  assert.equal(new Set(made).size, last);
  assert.equal(timeOf(made[0] as string), 5_000);
  assert.equal(timeOf(made.at(-1) as string), 9_000);
});
