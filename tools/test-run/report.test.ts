import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { renderEnd, renderFile, verdict } from "./report.ts";
import type { FileResult } from "./run-file.ts";

const PASSED: FileResult = {
  path: "a.test.ts",
  durationMs: 1_234,
  passedCount: 3,
  failedCount: 0,
  skippedCount: 0,
  skipped: new Map(),
  faults: [],
  output: "noise",
};

describe("the report", () => {
  test("a file that passed takes one line", () => {
    assert.equal(renderFile(PASSED), "ok       1.2 s  a.test.ts: 3 passed");
  });

  test("a file that failed shows its output and its faults", () => {
    const failed = {
      ...PASSED,
      failedCount: 1,
      faults: ["it has no tests"],
      output: "one\n\ntwo\n",
    };
    assert.equal(
      renderFile(failed),
      "FAILED   1.2 s  a.test.ts: 3 passed, 1 failed\n  one\n\n  two\n  it has no tests",
    );
  });

  test("only the end of a very long output is shown", () => {
    const failed = { ...PASSED, failedCount: 1, output: `${"x".repeat(100_000)}end` };
    assert.match(renderFile(failed), /characters left out …\n {2}x+end$/);
  });

  test("the end gathers skips by reason, says why the run failed and closes with the counts", () => {
    const skip = { ...PASSED, skippedCount: 2, skipped: new Map([["needs Docker", 2]]) };
    const other = { ...skip, path: "b.test.ts", failedCount: 1 };
    assert.equal(
      renderEnd([PASSED, skip, other], ["b.test.ts failed."]),
      `
Skipped:
  4 × needs Docker (a.test.ts, b.test.ts)

Failed:
  b.test.ts failed.

9 passed, 1 failed, 4 skipped`,
    );
  });
});

describe("verdict", () => {
  const facts = { emptySuites: [], skips: "any" as const };

  test("a run whose files passed has no problems", () => {
    assert.deepEqual(verdict([PASSED], facts), []);
  });

  test("a run without files has failed, and so has a suite without files", () => {
    assert.deepEqual(verdict([], facts), ["No test file matches."]);
    assert.deepEqual(verdict([PASSED], { ...facts, emptySuites: ["e2e"] }), [
      'Suite "e2e" has no test files.',
    ]);
  });

  test("a skip fails only where nothing may be skipped", () => {
    const skip = { ...PASSED, skippedCount: 1, skipped: new Map([["needs Docker", 1]]) };
    assert.deepEqual(verdict([skip], facts), []);
    assert.equal(verdict([skip], { ...facts, skips: "none" }).length, 1);
  });

  test("without root only what needs root may be skipped", () => {
    const root = { ...PASSED, skippedCount: 1, skipped: new Map([["only root can mount", 1]]) };
    const other = { ...PASSED, skippedCount: 1, skipped: new Map([["needs Docker", 1]]) };
    assert.deepEqual(verdict([root], { ...facts, skips: "root" }), []);
    assert.equal(verdict([root, other], { ...facts, skips: "root" }).length, 1);
    assert.equal(verdict([root], { ...facts, skips: "none" }).length, 1);
  });
});
