import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { EventLine } from "./event-lines.ts";
import { type ProcessEnd, summarize } from "./summarize.ts";

const OK: ProcessEnd = { kind: "exited", exitCode: 0 };
const FINISHED: EventLine = { type: "finished" };

describe("summarize", () => {
  test("counts tests, not suites, and keeps the reasons of what was skipped", () => {
    const lines = [
      ended("passed", "a"),
      ended("passed", "b"),
      { ...ended("passed", "suite"), isSuite: true },
      { ...ended("skipped", "docker suite", "needs Docker"), isSuite: true },
      ended("skipped", "c", "needs Docker"),
      FINISHED,
    ];
    assert.deepEqual(summarize(lines, OK), {
      passedCount: 2,
      failedCount: 0,
      skippedCount: 2,
      skipped: new Map([["needs Docker", 2]]),
      faults: [],
    });
  });

  const cases: { title: string; lines: EventLine[]; end: ProcessEnd; fault: string | undefined }[] =
    [
      {
        title: "a failed test explains the exit code",
        lines: [ended("failed", "a"), FINISHED],
        end: { kind: "exited", exitCode: 1 },
        fault: undefined,
      },
      {
        title: "a file that cannot be loaded",
        lines: [],
        end: { kind: "exited", exitCode: 1 },
        fault: "exit code 1 outside its tests, before its first test",
      },
      {
        title: "a crash after a test that passed",
        lines: [started("a"), ended("passed", "a")],
        end: { kind: "signalled", signal: "SIGSEGV" },
        fault: 'ended by SIGSEGV, in or after "a"',
      },
      {
        title: "a hang",
        lines: [started("a")],
        end: { kind: "timed_out", timeoutMs: 60_000 },
        fault: 'killed after 60 s, in or after "a"',
      },
      { title: "no tests", lines: [FINISHED], end: OK, fault: "it has no tests" },
      {
        title: "an exit in the middle",
        lines: [started("a"), ended("passed", "a"), started("b")],
        end: OK,
        fault: 'ended before its tests did, in or after "b"',
      },
    ];
  for (const { title, lines, end, fault } of cases) {
    test(`${title}: ${fault ?? "no fault"}`, () => {
      assert.deepEqual(summarize(lines, end).faults, fault === undefined ? [] : [fault]);
      assert.equal(summarize(lines, end).failedCount, 1);
    });
  }
});

function started(name: string): EventLine {
  return { type: "started", name };
}

function ended(type: "passed" | "failed" | "skipped", name: string, reason = "") {
  return { type, name, isSuite: false, reason } as const;
}
