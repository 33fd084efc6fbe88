import assert from "node:assert/strict";
import { test } from "node:test";
import type { DayPartitions } from "@hodei/domain";
import { testDeps } from "./fixtures.test.ts";
import { keepRecords, prepareRecords } from "./keep-records.ts";

const DAY_MS = 86_400_000;

function records(name: string, dropped: readonly Date[] = []) {
  const calls: [string, ...Date[]][] = [];
  const partitions: DayPartitions = {
    name,
    create: async (from, to) => {
      calls.push(["create", from, to]);
      return [];
    },
    drop: async (before) => {
      calls.push(["drop", before]);
      return dropped;
    },
  };
  return { partitions, calls };
}

test("days ahead are ready, and those before the retention go, each by its own", async () => {
  const told: unknown[] = [];
  const log = { info: (...line: unknown[]) => void told.push(line), warn() {}, error() {} };
  const [logs, events] = [records("log_chunk", [new Date(0)]), records("event")];
  const keptRecords = [
    { partitions: logs.partitions, retentionMs: 30 * DAY_MS, made: "ahead" as const },
    { partitions: events.partitions, retentionMs: 7 * DAY_MS, made: "when_needed" as const },
  ];
  const deps = { ...testDeps({ keptRecords }), keptRecords, log };
  const at = (days: number) => new Date(deps.clock.now().getTime() + days * DAY_MS);
  await prepareRecords(deps);
  assert.deepEqual(logs.calls, [["create", at(-1), at(7)]]);
  await keepRecords(deps);
  assert.deepEqual(logs.calls.slice(1), [
    ["create", at(-1), at(7)],
    ["drop", at(-30)],
  ]);
  assert.deepEqual(events.calls, [["drop", at(-7)]], "those that are made when needed only go");
  assert.deepEqual(told, [["records_dropped", { records: "log_chunk", days: [new Date(0)] }]]);
});

test("records whose days cannot be made do not keep others from going", async () => {
  const broken = records("broken");
  const partitions = { ...broken.partitions, drop: async () => Promise.reject(new Error("no")) };
  const events = records("event");
  const keptRecords = [
    { partitions, retentionMs: DAY_MS, made: "ahead" as const },
    { partitions: events.partitions, retentionMs: DAY_MS, made: "ahead" as const },
  ];
  await assert.rejects(keepRecords({ ...testDeps(), keptRecords }));
  assert.equal(events.calls.at(-1)?.[0], "drop");
});
