import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { EXIT_REASONS, outcomeOf, type ExitReason as Reason } from "@hodei/domain";
import { ExitReason, JobSpecSchema, SecretForm } from "@hodei/proto/hodei/v1/job";
import { AttemptRefSchema, SecretValueSchema } from "@hodei/proto/hodei/v1/worker_service";
import { newRef } from "../test/attempt-fixture.ts";
import { attemptRequest, fromProtoRef, fromProtoSpec } from "./messages.ts";

function finishedWith(reason: Reason, message = "") {
  const report = {
    ref: newRef(),
    outcome: outcomeOf(reason, message),
    logBytes: 7,
    processesLeft: 1,
    usage: { cpuMs: 1500, peakMemoryBytes: 4096, readBytes: 0, writtenBytes: 7 },
  };
  const request = attemptRequest({ type: "attempt_finished", report });
  assert.equal(request.message.case, "attemptFinished");
  return request.message.value;
}

test("every exit reason has its place in the contract", () => {
  const numbers = Object.keys(EXIT_REASONS).map(
    (reason) => finishedWith(reason as Reason).outcome?.reason,
  );
  assert.equal(new Set(numbers).size, Object.keys(EXIT_REASONS).length);
  assert.ok(numbers.every((number) => number !== undefined && number !== ExitReason.UNSPECIFIED));
});

test("a long message is cut to 4096 bytes, between characters", () => {
  const message = finishedWith("internal", "€".repeat(2_000)).outcome?.message ?? "";
  assert.equal(message, "€".repeat(1_365));
});

test("an exit code of 0 is there, none is not", () => {
  const report = {
    ref: newRef(),
    outcome: { reason: "completed", exitCode: 0, signal: null, message: "" } as const,
    logBytes: 0,
    processesLeft: 0,
    usage: null,
  };
  const request = attemptRequest({ type: "attempt_finished", report });
  assert.equal(
    request.message.case === "attemptFinished" && request.message.value.outcome?.exitCode,
    0,
  );
  assert.equal(finishedWith("signal").outcome?.exitCode, undefined);
});

describe("a spec", () => {
  test("has the default grace and no time-out unless it says so", () => {
    const plain = fromProtoSpec(
      create(JobSpecSchema, { work: { case: "command", value: { argv: ["x"] } } }),
      [],
    );
    assert.equal(plain.runMs, null);
    assert.equal(plain.graceMs, 10_000);
    const timed = fromProtoSpec(
      create(JobSpecSchema, { timeouts: { run: durationFromMs(1_500), grace: durationFromMs(0) } }),
      [],
    );
    assert.equal(timed.runMs, 1_500);
    assert.equal(timed.graceMs, 0);
  });

  test("of work that cannot be done here is told apart", () => {
    const container = { case: "container", value: { image: "x" } } as const;
    assert.equal(
      fromProtoSpec(create(JobSpecSchema, { work: container }), []).work.kind,
      "unsupported",
    );
    assert.equal(fromProtoSpec(create(JobSpecSchema, {}), []).work.kind, "unsupported");
  });

  test("gets the values of its secrets, and knows which the server did not send", () => {
    const value = new Uint8Array([1, 2]);
    const secrets = [{ name: "A" }, { name: "B", form: SecretForm.FILE }, { name: "C" }];
    const values = ["B", "A", "X"].map((name) => create(SecretValueSchema, { name, value }));
    assert.deepEqual(fromProtoSpec(create(JobSpecSchema, { secrets }), values).secrets, [
      { name: "A", form: "env", value },
      { name: "B", form: "file", value },
      { name: "C", form: "env", value: null },
    ]);
  });

  test("that is missing, or names no job, is the server's fault", () => {
    assert.throws(() => fromProtoSpec(undefined, []), { reason: "malformed_message" });
    assert.throws(() => fromProtoRef(undefined), { reason: "malformed_message" });
    assert.throws(() => fromProtoRef(create(AttemptRefSchema, { jobId: "../x" })), {
      reason: "malformed_id",
    });
  });
});
