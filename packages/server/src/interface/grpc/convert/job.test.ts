import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { JobFilterSchema } from "@hodei/proto/hodei/v1/job_service";
import { after, aJob, anAttempt, anyOutcome, START } from "@hodei/testkit";
import fc from "fast-check";
import {
  fromProtoJobFilter,
  fromProtoOutcome,
  toProtoAttempt,
  toProtoJob,
  toProtoOutcome,
} from "./job.ts";

test("a job that waits has none of the later facts", () => {
  const job = toProtoJob(aJob());
  assert.equal(job.state, 1);
  assert.equal(job.version, 1n);
  assert.equal(job.tenantId, "default");
  assert.deepEqual(job.createdAt, timestampFromDate(START));
  for (const field of ["startedAt", "finishedAt", "cancelRequestedAt", "outcome"] as const) {
    assert.equal(job[field], undefined);
  }
});

test("a job that has ended tells how and when", () => {
  const outcome = { reason: "signal", exitCode: null, signal: "SIGKILL", message: "m" } as const;
  const job = toProtoJob(
    aJob({
      state: "failed",
      startedAt: after(1),
      finishedAt: after(2),
      cancelRequest: { at: after(3), by: "me" },
      outcome,
    }),
  );
  assert.equal(job.state, 5);
  assert.deepEqual(job.finishedAt, timestampFromDate(after(2)));
  assert.deepEqual(job.cancelRequestedAt, timestampFromDate(after(3)));
  assert.equal(job.outcome?.signal, "SIGKILL");
  assert.equal(job.outcome?.exitCode, undefined);
});

test("an attempt", () => {
  const attempt = toProtoAttempt(anAttempt({ state: "lost", logBytes: 9, processesLeft: 2 }));
  assert.equal(attempt.state, 7);
  assert.equal(attempt.logBytes, 9n);
  assert.equal(attempt.processesLeft, 2);
  assert.equal(attempt.startedAt, undefined);
});

test("outcomes go there and back", () => {
  fc.assert(
    fc.property(anyOutcome(), (outcome) => {
      assert.deepEqual(fromProtoOutcome(toProtoOutcome(outcome)), { ...outcome });
    }),
  );
});

test("a filter narrows by what is set, and by nothing else", () => {
  assert.deepEqual(fromProtoJobFilter(undefined), {});
  assert.deepEqual(fromProtoJobFilter(create(JobFilterSchema)), {});
  const filter = create(JobFilterSchema, {
    states: [1, 3],
    labels: { a: "b" },
    nameContains: "x",
    createdAfter: timestampFromDate(START),
    createdBefore: timestampFromDate(after(1)),
  });
  assert.deepEqual(fromProtoJobFilter(filter), {
    states: ["pending", "running"],
    labels: { a: "b" },
    nameContains: "x",
    createdAfter: START,
    createdBefore: after(1),
  });
});
