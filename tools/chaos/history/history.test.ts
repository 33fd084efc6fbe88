import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { LogChunkSchema, LogGap, LogStream } from "@hodei/proto/hodei/v1/log_service";
import fc from "fast-check";
import { formsOf } from "../program/encodings.ts";
import { Output, type Writing } from "../program/output.ts";
import { expectedSha256, LogDigester } from "./log-digest.ts";
import { NeedleScan } from "./needle-scan.ts";

const WRITING: Writing = { content: "binary", seed: 11, stdoutBytes: 9_000, stderrBytes: 0 };

/** Digests the output in pieces of these lengths; every third is missing. */
function digestIn(lengths: readonly number[], { skip = 0n } = {}) {
  const output = new Output(WRITING, "stdout");
  const digester = new LogDigester({ keepsText: false });
  let at = 0;
  for (const [index, length] of lengths.entries()) {
    const isMissing = index % 3 === 2;
    const data = isMissing ? new Uint8Array() : output.slice(at, at + length);
    const gap = isMissing ? { gapBytes: BigInt(length), gap: LogGap.DROPPED } : {};
    digester.accept(
      create(LogChunkSchema, { stream: LogStream.STDOUT, offset: BigInt(at) + skip, data, ...gap }),
    );
    at += length;
  }
  return digester.finish("job", 1);
}

const lengths = fc.array(fc.integer({ min: 1, max: 800 }), { minLength: 1, maxLength: 11 });

test("what is there of an output has the digest that is expected of it", () => {
  fc.assert(
    fc.property(lengths, (parts) => {
      const { stdout, breaks } = digestIn(parts);
      assert.equal(stdout.sha256, expectedSha256(WRITING, "stdout", stdout));
      assert.equal(
        stdout.bytes,
        parts.reduce((sum, length) => sum + length, 0),
      );
      assert.deepEqual(breaks, []);
    }),
  );
});

test("how a log was cut into pieces does not show", () => {
  assert.deepEqual(digestIn([100, 100, 50]), digestIn([150, 50, 50]));
});

test("a chunk that does not follow the one before is a break", () => {
  assert.deepEqual(digestIn([10], { skip: 5n }).breaks, ["0 is followed by 5"]);
});

const SECRETS = [{ name: "TOKEN", value: "Zq8#kf'92\"mm" }];

test("a secret is found in every encoding, also when a text comes in pieces", () => {
  for (const { name, text } of formsOf(SECRETS[0]?.value ?? "")) {
    const scan = new NeedleScan(SECRETS);
    const look = scan.stream("a file");
    for (const character of `before ${text} after`) look(Buffer.from(character));
    assert.deepEqual(
      scan.leaks.map(({ where, secret }) => [where, secret]),
      [["a file", "TOKEN"]],
      name,
    );
  }
});

test("what is no secret is not found", () => {
  const scan = new NeedleScan(SECRETS);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3_000 }), (bytes) => scan.stream("noise")(bytes)),
  );
  scan.stream("cut short")(Buffer.from("Zq8#kf'92\"m"));
  assert.deepEqual(scan.leaks, []);
});
