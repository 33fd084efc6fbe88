import assert from "node:assert/strict";
import { test } from "node:test";
import { Uptime } from "./uptime.ts";

const ABSENCE_MS = 5_000;
const at = (ms: number) => new Date(ms);

test("it counts from the start, for as long as the database answers, however slowly", () => {
  const uptime = new Uptime(at(0));
  uptime.confirm(at(1_000), at(1_010), ABSENCE_MS);
  uptime.confirm(at(2_000), at(30_000), ABSENCE_MS);
  uptime.confirm(at(31_000), at(60_000), ABSENCE_MS);
  assert.deepEqual(uptime.since, at(0));
});

test("after a time without answers it counts from the first", () => {
  const uptime = new Uptime(at(0));
  uptime.confirm(at(1_000), at(1_010), ABSENCE_MS);
  uptime.confirm(at(6_011), at(6_020), ABSENCE_MS);
  assert.deepEqual(uptime.since, at(6_020));
  uptime.confirm(at(7_000), at(7_010), ABSENCE_MS);
  assert.deepEqual(uptime.since, at(6_020));
});
