import { createHash } from "node:crypto";
import type {
  AttemptRecord,
  EventRecord,
  FinishedRun,
  JobRecord,
} from "../history/finished-run.ts";
import type { LogDigest, StreamDigest } from "../history/log-digest.ts";
import type { JobPlan } from "../plan/job-plan.ts";
import { Output, type Writing } from "../program/output.ts";

export const JOB = "job-1";
const WORKER = "worker-1";

const WRITING: Writing = { content: "lines", seed: 7, stdoutBytes: 5_000, stderrBytes: 300 };

export const planOf = (changes: Partial<JobPlan> = {}): JobPlan => ({
  key: "chaos-1-0",
  atMs: 0,
  burst: null,
  behaviour: "plain",
  task: { writing: WRITING, writeBytes: 100, pauseMs: 0, secretNames: [], exitCode: 0 },
  cancelAfterMs: null,
  runTimeoutMs: 1_000,
  graceMs: 100,
  overflow: "drop",
  maxAttempts: 1,
  cpuMillis: 1_000,
  memoryBytes: 0,
  isTailed: true,
  ...changes,
});

export const jobRecord = (changes: Partial<JobRecord> = {}): JobRecord => ({
  id: JOB,
  name: "chaos-1-0",
  state: "succeeded",
  version: 4,
  attempt: 1,
  startedAttempts: 1,
  reason: "completed",
  exitCode: 0,
  ...changes,
});

export const attemptRecord = (changes: Partial<AttemptRecord> = {}): AttemptRecord => ({
  jobId: JOB,
  number: 1,
  workerId: WORKER,
  state: "succeeded",
  assignedAt: new Date(1_000),
  startedAt: new Date(1_010),
  finishedAt: new Date(2_000),
  reason: "completed",
  exitCode: 0,
  logBytes: 5_300,
  processesLeft: 0,
  ...changes,
});

export function eventsOf(...types: readonly string[]): readonly EventRecord[] {
  return types.map((type, index) => ({
    jobId: JOB,
    version: index + 1,
    type: `job.${type}`,
    at: new Date(1_000 + index),
  }));
}

/** A digest of bytes that are all there. */
export function streamDigest(bytes: Uint8Array, changes: Partial<StreamDigest> = {}): StreamDigest {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { bytes: bytes.length, sha256, gaps: [], text: Buffer.from(bytes).toString(), ...changes };
}

/** The log of the job's first attempt, of which so many bytes of standard output are there. */
export function logOf(
  stdoutBytes = WRITING.stdoutBytes,
  changes: Partial<LogDigest> = {},
): LogDigest {
  const stdout = streamDigest(new Output(WRITING, "stdout").slice(0, stdoutBytes));
  const stderr = streamDigest(new Output(WRITING, "stderr").slice(0, WRITING.stderrBytes));
  return { jobId: JOB, attempt: 1, stdout, stderr, breaks: [], ...changes };
}

/** A run of one job in which everything is right. */
export function goodRun(changes: Partial<FinishedRun> = {}): FinishedRun {
  const totals = { stdout: 5_000, stderr: 300 };
  return {
    plan: { seed: 1, durationMs: 1_000, jobs: [planOf()], faults: [], secrets: [] },
    submissions: [{ key: "chaos-1-0", jobId: JOB }],
    jobs: [jobRecord()],
    attempts: [attemptRecord()],
    events: eventsOf("created", "assigned", "started", "succeeded"),
    workers: [{ id: WORKER, cpuMillis: 1_500, memoryBytes: 1_000 }],
    logs: [logOf()],
    tails: [{ jobId: JOB, logs: [logOf()] }],
    ends: [{ jobId: JOB, state: "succeeded", processes: [] }],
    progress: [{ jobId: JOB, attempt: 1, intended: totals, written: totals, isComplete: true }],
    leftovers: [],
    leaks: [],
    memory: [{ name: "worker-0", rssBytes: 10, boundBytes: 20 }],
    unexpectedEnds: [],
    ...changes,
  };
}
