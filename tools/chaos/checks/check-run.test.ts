import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { FinishedRun } from "../history/finished-run.ts";
import { Output } from "../program/output.ts";
import { checkRun } from "./check-run.ts";
import {
  attemptRecord,
  eventsOf,
  goodRun,
  JOB,
  jobRecord,
  logOf,
  planOf,
  streamDigest,
} from "./run-fixtures.test.ts";

const { plan } = goodRun();
const planned = (...jobs: FinishedRun["plan"]["jobs"]) => ({ plan: { ...plan, jobs } });
const [done] = goodRun().progress;

/** The same with another end of its one attempt. */
const ended = (reason: string, changes: Partial<FinishedRun> = {}): Partial<FinishedRun> => ({
  jobs: [jobRecord({ state: "failed", reason })],
  attempts: [attemptRecord({ state: "failed", reason })],
  events: eventsOf("created", "assigned", "started", "failed"),
  ends: [],
  ...changes,
});

/** Killed after 3,000 bytes at the latest, of which 2,000 are known to be written. */
const halfWay = [
  {
    jobId: JOB,
    attempt: 1,
    intended: { stdout: 3_000, stderr: 300 },
    written: { stdout: 2_000, stderr: 300 },
    isComplete: false,
  },
];

test("a run in which everything is right breaks nothing", () => {
  assert.deepEqual(checkRun(goodRun()), []);
});

describe("what may happen under faults", () => {
  const cases: readonly (readonly [string, Partial<FinishedRun>])[] = [
    [
      "a lost attempt has the beginning of its log",
      ended("worker_lost", { logs: [logOf(1_500)], tails: [], progress: halfWay }),
    ],
    [
      "a lost attempt has no log at all",
      ended("worker_lost", {
        logs: [logOf(0, { stderr: streamDigest(Buffer.alloc(0)) })],
        tails: [],
        progress: [],
      }),
    ],
    [
      "a job that was ended has what it had written",
      ended("run_timeout", {
        attempts: [attemptRecord({ state: "failed", reason: "run_timeout", logBytes: 2_800 })],
        logs: [logOf(2_500)],
        tails: [],
        progress: halfWay,
      }),
    ],
    ["output was dropped, and a gap says so", withGap(1_000, 3_000)],
    [
      "an attempt was given back, and the next one did it",
      {
        jobs: [jobRecord({ attempt: 2 })],
        attempts: [
          attemptRecord({ state: "lost", startedAt: null, reason: null, logBytes: 0 }),
          attemptRecord({ number: 2, assignedAt: new Date(2_000), finishedAt: new Date(3_000) }),
        ],
        events: eventsOf(
          "created",
          "assigned",
          "lease_expired",
          "assigned",
          "started",
          "succeeded",
        ),
        logs: [logOf(0, { stderr: streamDigest(Buffer.alloc(0)) }), logOf(5_000, { attempt: 2 })],
        tails: [],
        progress: [{ ...done, attempt: 2 } as (typeof halfWay)[0]],
      },
    ],
    [
      "two events of one change",
      ended("non_zero_exit", {
        ...planned(planOf({ task: { ...planOf().task, exitCode: 3 } })),
        jobs: [jobRecord({ state: "failed" })],
        attempts: [attemptRecord({ state: "failed", reason: "non_zero_exit", exitCode: 3 })],
        events: eventsOf("created", "assigned", "started", "retries_exhausted", "failed").map(
          (event, index) => ({ ...event, version: Math.min(index + 1, 4) }),
        ),
      }),
    ],
  ];
  for (const [name, changes] of cases) {
    test(name, () => assert.deepEqual(checkRun(goodRun(changes)), []));
  }
});

describe("what is told as a violation", () => {
  const cases: readonly (readonly [string, Partial<FinishedRun>, RegExp])[] = [
    [
      "a job that is gone",
      { jobs: [], attempts: [], events: [], logs: [], tails: [], ends: [] },
      /kept: .* is gone/,
    ],
    [
      "a job that never ends",
      { jobs: [jobRecord({ state: "running" })] },
      /kept: .* is still running/,
    ],
    [
      "a key with two jobs",
      { jobs: [jobRecord(), jobRecord({ id: "job-2" })] },
      /kept: .* exists 2 times/,
    ],
    [
      "two ends",
      { events: eventsOf("created", "assigned", "started", "succeeded", "failed") },
      /one-result: job.failed came while/,
    ],
    [
      "a result without a start",
      { events: eventsOf("created", "assigned", "succeeded") },
      /one-result: job.succeeded came while the job was assigned/,
    ],
    [
      "a lost event",
      {
        events: eventsOf("created", "assigned", "started", "succeeded").filter(
          ({ version }) => version !== 3,
        ),
      },
      /version 4 follows 2/,
    ],
    [
      "an end that nobody was told",
      { ends: [{ jobId: JOB, state: "failed", processes: [] }] },
      /was seen failed, and is succeeded/,
    ],
    [
      "an attempt that was started twice",
      { progress: [...goodRun().progress, ...goodRun().progress] },
      /attempt 1 was started more than once/,
    ],
    [
      "an attempt too many",
      { jobs: [jobRecord({ startedAttempts: 2 })] },
      /started 2 of 1 attempts/,
    ],
    [
      "an attempt without end",
      { attempts: [attemptRecord({ finishedAt: null })] },
      /attempt 1 has not/,
    ],
    ["a cancel out of nowhere", ended("cancelled_by"), /nobody cancelled it/],
    ["a failure that is not the job's", ended("internal"), /ended as internal/],
    [
      "an exit code that is not the job's",
      { attempts: [attemptRecord({ exitCode: 9, reason: "non_zero_exit" })] },
      /exit code 9/,
    ],
    [
      "a log that lacks its tail",
      { logs: [logOf(4_999)], attempts: [attemptRecord({ logBytes: 5_299 })], tails: [] },
      /logs-whole: .* has 4999 bytes of stdout, and 5000 were written/,
    ],
    [
      "a log that has less than was reported",
      { attempts: [attemptRecord({ logBytes: 5_301 })] },
      /reported with 5301 bytes/,
    ],
    [
      "a byte that is another",
      { logs: [logOf(5_000, { stdout: streamDigest(Buffer.alloc(5_000, "x")) })], tails: [] },
      /has other bytes in stdout/,
    ],
    ["a log that cannot be read", { logs: [], tails: [] }, /has no log/],
    [
      "silence instead of a gap",
      { logs: [logOf(5_000, { breaks: ["10 is followed by 20"] })], tails: [] },
      /silent about what is missing/,
    ],
    [
      "a gap where the job was to wait",
      { ...withGap(1_000, 3_000), ...planned(planOf({ overflow: "block" })) },
      /its job was to wait/,
    ],
    [
      "a log that a killed job did not write",
      ended("worker_lost", { logs: [logOf(4_000)], tails: [], progress: halfWay }),
      /has 4000 bytes of stdout, and 0 to 3000 were written/,
    ],
    [
      "bytes that a cancelled job had written and nobody has",
      ended("run_timeout", {
        attempts: [attemptRecord({ reason: "run_timeout", logBytes: 2_299 })],
        logs: [logOf(1_999)],
        tails: [],
        progress: halfWay,
      }),
      /has 1999 bytes of stdout, and 2000 to 3000/,
    ],
    [
      "a live tail that lacks something",
      { tails: [{ jobId: JOB, logs: [logOf(4_000)] }] },
      /live tail of attempt 1 read 4000/,
    ],
    [
      "a live tail that lacks an attempt",
      { tails: [{ jobId: JOB, logs: [] }] },
      /live tail of attempt 1 read nothing/,
    ],
    [
      "a process that outlived the end",
      { ends: [{ jobId: JOB, state: "succeeded", processes: ["12 (sleep)"] }] },
      /cancel-proved: was told succeeded while/,
    ],
    [
      "a process that the worker counted",
      { attempts: [attemptRecord({ processesLeft: 1 })] },
      /cancel-proved: attempt 1 left 1/,
    ],
    ["something left behind", { leftovers: ["process 12: sleep"] }, /cancel-proved: left behind/],
    [
      "a secret",
      { leaks: [{ where: `log of ${JOB}`, secret: "TOKEN", found: "40 bytes at 3" }] },
      /no-secret-in-logs: TOKEN/,
    ],
    [
      "too much memory",
      { memory: [{ name: "worker-0", rssBytes: 21, boundBytes: 20 }] },
      /bounded: worker-0/,
    ],
    [
      "a process that ended by itself",
      { unexpectedEnds: ["worker-0 ended by itself: exit code 1"] },
      /bounded: worker-0 ended/,
    ],
    [
      "a worker that holds too much",
      overloaded(),
      /limits-hold: worker worker-1 can give 1500 of processor and held 2000/,
    ],
  ];
  for (const [name, changes, expected] of cases) {
    test(name, () => {
      const told = checkRun(goodRun(changes)).map(
        ({ promise, message }) => `${promise}: ${message}`,
      );
      assert.ok(
        told.some((line) => expected.test(line)),
        `told only: ${told.join("; ") || "nothing"}`,
      );
    });
  }
});

test("an attempt that begins when another has ended takes no more than that one gave back", () => {
  const second = {
    ...attemptRecord({ jobId: "job-2", assignedAt: new Date(2_000), finishedAt: new Date(3_000) }),
  };
  const { violations } = checkSecond(second);
  assert.deepEqual(
    violations.filter(({ promise }) => promise === "limits-hold"),
    [],
  );
});

function checkSecond(second: ReturnType<typeof attemptRecord>) {
  return { violations: checkRun(goodRun(withSecond(second))) };
}

function overloaded(): Partial<FinishedRun> {
  return withSecond(
    attemptRecord({ jobId: "job-2", assignedAt: new Date(1_999), finishedAt: new Date(3_000) }),
  );
}

function withSecond(second: ReturnType<typeof attemptRecord>): Partial<FinishedRun> {
  return {
    ...planned(planOf(), planOf({ key: "chaos-1-1" })),
    submissions: [...goodRun().submissions, { key: "chaos-1-1", jobId: "job-2" }],
    attempts: [attemptRecord(), second],
  };
}

/** The log with `bytes` bytes of standard output from `offset` on missing. */
function withGap(offset: number, bytes: number): Partial<FinishedRun> {
  const output = new Output(planOf().task.writing, "stdout");
  const there = Buffer.concat([output.slice(0, offset), output.slice(offset + bytes, 5_000)]);
  const stdout = streamDigest(there, {
    bytes: 5_000,
    gaps: [{ offset, bytes, reason: "dropped" }],
  });
  const log = logOf(5_000, { stdout });
  return { logs: [log], tails: [{ jobId: JOB, logs: [log] }] };
}
