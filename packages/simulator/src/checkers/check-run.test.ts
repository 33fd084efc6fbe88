import assert from "node:assert/strict";
import { test } from "node:test";
import { type JobId, PlatformError, type WorkerId } from "@hodei/domain";
import { aJob } from "@hodei/testkit";
import type { FinishedRun } from "../finished-run.ts";
import { History } from "../history.ts";
import { RandomStream } from "../random.ts";
import { planScenario } from "../scenario.ts";
import { checkRun } from "./check-run.ts";

// Most checkers are tested by the mutants; here is what no mutant can show.

const WORKER_ID = "worker" as WorkerId;

function anEmptyRun(): FinishedRun {
  return {
    scenario: planScenario(new RandomStream("seed/1")),
    history: new History(),
    jobs: new Map(),
    attempts: new Map(),
    workers: [],
    events: [],
    logs: new Map(),
  };
}

const broken = (run: FinishedRun) => checkRun(run).map(({ promise }) => promise);

test("a run in which nothing happened breaks nothing", () => {
  assert.deepEqual(checkRun(anEmptyRun()), []);
});

test("an answered job that is not there, or that has not ended, is not kept", () => {
  const run = anEmptyRun();
  const answer = { atMs: 1, request: "r", idempotencyKey: null, after: [] };
  run.history.answers.push({ ...answer, jobId: "missing" as JobId });
  assert.deepEqual(broken(run), ["kept"]);
  const job = aJob();
  run.history.answers.push({ ...answer, jobId: job.id });
  const stored = { ...run, jobs: new Map([[job.id, job]]) };
  assert.deepEqual(
    broken(stored).filter((promise) => promise === "kept"),
    ["kept", "kept"],
  );
});

test("only the loss of a worker whose session was open for long, after the faults, is needless", () => {
  const run = anEmptyRun();
  const lostAtMs = run.scenario.activeMs + 60_000;
  run.history.losses.push({ atMs: lostAtMs, workerId: WORKER_ID });
  assert.deepEqual(broken(run), []);
  run.history.connections.push({ workerId: WORKER_ID, fromMs: 0, toMs: lostAtMs - 1 });
  run.history.connections.push({ workerId: WORKER_ID, fromMs: lostAtMs - 10, toMs: null });
  assert.deepEqual(broken(run), []);
  run.history.connections.push({ workerId: WORKER_ID, fromMs: 0, toMs: null });
  assert.deepEqual(broken(run), ["no-needless-loss"]);
});

test("a failure that no fault explains is a bug", () => {
  const run = anEmptyRun();
  const failure = { atMs: 1, event: "reconciler_failed" };
  run.history.failures.push({ ...failure, error: new PlatformError("unavailable", "r", "m") });
  assert.deepEqual(broken(run), []);
  run.history.failures.push({ ...failure, error: new TypeError("x is not a function") });
  run.history.failures.push({
    ...failure,
    error: new PlatformError("failed_precondition", "illegal_transition", "m"),
  });
  assert.deepEqual(broken(run), ["no-internal-errors", "no-internal-errors"]);
});
