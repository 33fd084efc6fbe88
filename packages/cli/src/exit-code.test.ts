import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { ExitReason, OutcomeSchema } from "@hodei/proto/hodei/v1/job";
import { exitCodeOfJob } from "./exit-code.ts";

// biome-ignore format: a table reads better in columns
const EXIT_CODES: Readonly<Record<string, number>> = {
  COMPLETED: 0, NON_ZERO_EXIT: 7, SIGNAL: 143, OOM_KILLED: 137, RUN_TIMEOUT: 124, QUEUE_TIMEOUT: 125,
  CANCELLED_BY: 130, WORKER_LOST: 125, PROVIDER_RECLAIMED: 125, IMAGE_PULL_FAILED: 125, COMMAND_NOT_FOUND: 127,
  PERMISSION_DENIED: 126, SPAWN_FAILED: 125, SECRET_UNAVAILABLE: 125, INPUT_FAILED: 125, OUTPUT_FAILED: 125,
  DISK_FULL: 125, UNKILLABLE: 125, INVALID_SPEC: 125, INTERNAL: 125, DEADLINE_EXCEEDED: 124, DROPPED: 125,
  DEPENDENCY_FAILED: 125, PREEMPTED: 125, UNSPECIFIED: 125,
};

test("every exit reason has its exit code", () => {
  assert.deepEqual(Object.keys(EXIT_CODES).sort(), Object.keys(ExitReason).sort());
  for (const [name, reason] of Object.entries(ExitReason)) {
    const outcome = create(OutcomeSchema, { reason, exitCode: 7, signal: "SIGTERM" });
    assert.equal(exitCodeOfJob({ outcome }), EXIT_CODES[name], name);
  }
});

test("a job without outcome, and a signal this machine does not know", () => {
  assert.equal(exitCodeOfJob({}), 125);
  const outcome = create(OutcomeSchema, { reason: ExitReason.SIGNAL, signal: "SIGODD" });
  assert.equal(exitCodeOfJob({ outcome }), 137);
});
