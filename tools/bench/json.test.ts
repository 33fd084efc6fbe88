import assert from "node:assert/strict";
import { test } from "node:test";
import { renderJson } from "./json.ts";
import { toResult } from "./result.ts";

test("the file has the machine, and one row with its target for each figure", () => {
  const machine = {
    cpuModel: "Some CPU",
    coreCount: 2,
    memoryBytes: 8_589_934_592,
    kernel: "linux 6.1.0 x64",
    node: "24.0.0",
    commit: "0123456789ab",
    date: "2026-01-01T00:00:00.000Z",
    loadBefore: 0.1,
  };
  const figure = { name: "jobs", unit: "jobs/s" };
  const target = { kind: "ratio_at_least", limit: 0.6 } as const;
  const rounds = [{ value: 75, baseline: 100 }];
  const text = renderJson(machine, [toResult({ ...figure, target }, rounds)]);
  assert.ok(text.endsWith("}\n"));
  assert.deepEqual(JSON.parse(text), {
    machine,
    rows: [{ ...figure, target, value: 75, baseline: 100, ratio: 0.75, met: true, rounds }],
  });
});
