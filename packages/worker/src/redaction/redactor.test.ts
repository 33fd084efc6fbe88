import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import type { LogStream } from "@hodei/domain";
import fc from "fast-check";
import { AttemptFailure } from "../attempt-failure.ts";
import { createRedactor, type Redactor } from "./redactor.ts";

const secret = (text: string): { value: Buffer } => ({ value: Buffer.from(text) });
const write = (redactor: Redactor, text: string, stream: LogStream = "stdout"): string =>
  Buffer.from(redactor.write(stream, Buffer.from(text))).toString();
const end = (redactor: Redactor, stream: LogStream = "stdout"): string =>
  Buffer.from(redactor.end(stream)).toString();

test("with nothing to mask, bytes are handed on as they are", () => {
  const redactor = createRedactor([secret("x"), secret("")]);
  const bytes = randomBytes(1_000);
  const released = redactor.write("stdout", bytes);
  assert.equal(released.buffer, bytes.buffer);
  assert.deepEqual(Buffer.from(released), bytes);
  assert.equal(redactor.redactText("x"), "x");
});

test("a secret split at any byte, with the other stream in between", () => {
  const value = `päss "word"\n/+of=mine`;
  for (let cut = 0; cut <= Buffer.byteLength(value); cut += 1) {
    const redactor = createRedactor([secret(value)]);
    const bytes = Buffer.from(value);
    const out = { stdout: "", stderr: "" };
    const put = (stream: LogStream, piece: Uint8Array): void => {
      out[stream] += Buffer.from(piece).toString();
    };
    put("stdout", redactor.write("stdout", bytes.subarray(0, cut)));
    put("stderr", redactor.write("stderr", Buffer.from("other\n")));
    put("stderr", redactor.write("stderr", bytes.subarray(0, cut)));
    put("stdout", redactor.write("stdout", bytes.subarray(cut)));
    put("stderr", redactor.write("stderr", bytes.subarray(cut)));
    put("stdout", redactor.end("stdout"));
    put("stderr", redactor.end("stderr"));
    assert.deepEqual(out, { stdout: "***", stderr: "other\n***" }, `cut at ${cut}`);
  }
});

test("streams do not disturb each other", () => {
  const part = fc.constantFrom("tok", "en-1", "token-1", "token-2", "\n", "text ");
  const step = fc.record({
    stream: fc.constantFrom<LogStream>("stdout", "stderr"),
    parts: fc.array(part, { maxLength: 5 }),
  });
  const secrets = [secret("token-1"), secret("token-2")];
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const both = createRedactor(secrets);
      const alone = { stdout: createRedactor(secrets), stderr: createRedactor(secrets) };
      for (const { stream, parts } of steps) {
        const text = parts.join("");
        assert.equal(write(both, text, stream), write(alone[stream], text, stream));
      }
      for (const stream of ["stdout", "stderr"] as const) {
        assert.equal(end(both, stream), end(alone[stream], stream));
      }
    }),
  );
});

test("texts are masked whole, and leave streams alone", () => {
  const redactor = createRedactor([secret("hunter2-x")]);
  assert.equal(write(redactor, "hunter"), "");
  assert.equal(redactor.redactText(`cannot start "hunter2-x": no`), `cannot start "***": no`);
  assert.equal(write(redactor, "2-x"), "***");
});

test("it keeps its own copy of the secrets", () => {
  const value = Buffer.from("hunter2-x");
  const redactor = createRedactor([{ value }]);
  value.fill(0);
  assert.equal(write(redactor, "hunter2-x"), "***");
});

describe("masks", () => {
  test("count from their line on, in both streams and in texts", () => {
    const redactor = createRedactor([]);
    assert.equal(write(redactor, "run-time-value\n"), "run-time-value\n");
    assert.equal(write(redactor, "::add-mask::run-time-"), "");
    assert.equal(write(redactor, "value\nnow run-time-value\n"), "now ***\n");
    assert.equal(write(redactor, "run-time-value\n", "stderr"), "***\n");
    assert.equal(redactor.redactText("run-time-value"), "***");
  });

  test("find what another stream holds back", () => {
    const redactor = createRedactor([secret("abcdef-secret")]);
    assert.equal(write(redactor, "x abcdef-"), "x ");
    assert.equal(write(redactor, "::add-mask::def-123\n", "stderr"), "");
    assert.equal(write(redactor, "123 abcdef-secret\n"), "abc*** ***\n");
  });

  test("that cannot be added are told, never shown", () => {
    const redactor = createRedactor([]);
    const long = "y".repeat(5_000);
    const out = write(redactor, `::add-mask::abc\n::add-mask::${long}\nrest\n`);
    assert.match(
      out,
      /^\[hodei\] a mask was not added: .* too short .*\n\[hodei\] .* 4096 bytes\nrest\n$/,
    );
    for (let count = 0; count < 100; count += 1) {
      assert.equal(write(redactor, `::add-mask::value-${count}-of-many\n`), "");
    }
    assert.match(write(redactor, "::add-mask::one-too-many\n"), /^\[hodei\] .* 100 already\n$/);
  });
});

describe("bounds", () => {
  test("secrets that are too large together end the attempt", () => {
    const secrets = Array.from({ length: 4 }, () => ({ value: randomBytes(65_536) }));
    assert.throws(
      () => createRedactor(secrets),
      (error: unknown) =>
        error instanceof AttemptFailure && error.outcome.reason === "secret_unavailable",
    );
  });

  test("the largest secret there may be is masked", () => {
    const value = randomBytes(48 * 1024).toString("base64");
    const redactor = createRedactor([secret(value)]);
    assert.equal(write(redactor, value), "***");
    assert.equal(write(redactor, "\n"), "\n");
  });
});
