import assert from "node:assert/strict";
import { test } from "node:test";
import { type AttemptRef, createJobSpec, type WorkerMessage } from "@hodei/domain";
import { START } from "@hodei/testkit";
import { markOf, outputOf, toCommand } from "./program.ts";
import { SimulatedAttempt } from "./simulated-attempt.ts";

const REF = { jobId: "job", attempt: 1, leaseToken: "lease" } as AttemptRef;
const PROGRAM = { durationMs: 1_000, outputBytes: 2_000, writeCount: 4, failures: 0 };
const END = { reason: "completed", exitCode: 0, signal: null } as const;

const startAttempt = () => new SimulatedAttempt(REF, createJobSpec(toCommand(PROGRAM)));

function speak(attempt: SimulatedAttempt, nowMs: number): string[] {
  const said: string[] = [];
  for (;;) {
    const message = attempt.nextMessage(START, nowMs);
    if (message === undefined) return said;
    said.push(summary(message));
  }
}

function summary(message: WorkerMessage): string {
  if (message.type !== "log_batch") return message.type;
  const { offset, data } = message.batch;
  assert.deepEqual(data, outputOf(REF, offset, offset + data.length));
  return `${offset}-${offset + data.length}`;
}

test("the start comes first, then the log, and the result after it", () => {
  const attempt = startAttempt();
  assert.deepEqual(speak(attempt, 0), ["attempt_started"]);
  attempt.write(600);
  assert.equal(markOf(attempt.end(END)?.outcome ?? null), "lease");
  assert.deepEqual(speak(attempt, 1), ["0-512", "512-600", "attempt_finished"]);
  attempt.ackLog(600, 3);
  assert.deepEqual(speak(attempt, 3), []);
  assert.equal(attempt.end({ ...END, exitCode: 1 }), undefined);
});

test("a new session hears all again that is not acked", () => {
  const attempt = startAttempt();
  speak(attempt, 0);
  attempt.write(600);
  speak(attempt, 1);
  attempt.restart(512, 2);
  assert.deepEqual(speak(attempt, 2), ["attempt_started", "512-600"]);
  attempt.end(END);
  attempt.ackLog(600, 3);
  assert.deepEqual(speak(attempt, 3), ["attempt_finished"]);
  attempt.restart(600, 4);
  assert.deepEqual(speak(attempt, 4), ["attempt_started", "attempt_finished"]);
});

test("on the same session, what is not acked for long is said again", () => {
  const attempt = startAttempt();
  speak(attempt, 0);
  attempt.write(100);
  assert.deepEqual(speak(attempt, 0), ["0-100"]);
  assert.deepEqual(speak(attempt, 9_999), []);
  assert.deepEqual(speak(attempt, 10_000), ["0-100"]);
  attempt.ackLog(100, 10_001);
  attempt.end(END);
  assert.deepEqual(speak(attempt, 10_002), ["attempt_finished"]);
  assert.deepEqual(speak(attempt, 20_002), ["attempt_finished"]);
});
