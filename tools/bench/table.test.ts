import assert from "node:assert/strict";
import { test } from "node:test";
import { type Target, toResult } from "./result.ts";
import { renderTable } from "./table.ts";

const result = (name: string, unit: string, target: Target, rounds: [number, number | null][]) =>
  toResult(
    { name, unit, target },
    rounds.map(([value, baseline]) => ({ value, baseline })),
  );

test("the table shows medians, spread, ratio and target in columns", () => {
  const table = renderTable([
    result("start", "ms", { kind: "added_at_most", limit: 10 }, [
      [24.04, 8.5],
      [20, 8],
      [30.16, 9],
    ]),
    result("batch", "jobs/s", { kind: "value_at_least", limit: 20_000 }, [[31_415.9, 4_000]]),
    result("back", "s", { kind: "value_at_most", limit: 5 }, [
      [1, null],
      [2, null],
    ]),
    result("jobs", "jobs/s", { kind: "ratio_at_least", limit: 0.6 }, [[50, 150]]),
  ]);
  assert.deepEqual(table.split("\n"), [
    "| figure | measured                      | baseline                   | ratio   | target             | met           |",
    "|--------|-------------------------------|----------------------------|---------|--------------------|---------------|",
    "| start  | 24 ms (20–30.2)               | 8.5 ms (8–9)               | 2.83 ×  | ≤ baseline + 10 ms | no: + 15.5 ms |",
    "| batch  | 31,416 jobs/s (31,416–31,416) | 4,000 jobs/s (4,000–4,000) | 7.85 ×  | ≥ 20,000 jobs/s    | yes           |",
    "| back   | 1.5 s (1–2)                   | –                          | –       | ≤ 5 s              | yes           |",
    "| jobs   | 50 jobs/s (50–50)             | 150 jobs/s (150–150)       | 0.333 × | ≥ 0.6 × baseline   | no            |",
  ]);
});
