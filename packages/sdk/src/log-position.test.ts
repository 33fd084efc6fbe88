import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { LogChunkSchema, LogStream } from "@hodei/proto/hodei/v1/log_service";
import fc from "fast-check";
import { LogPosition } from "./log-position.ts";

const chunkAt = (offset: number, text: string) =>
  create(LogChunkSchema, {
    stream: LogStream.STDOUT,
    offset: BigInt(offset),
    data: Buffer.from(text),
  });

const textOf = (chunks: readonly { data: Uint8Array; gapBytes: bigint }[]) =>
  chunks.map((chunk) =>
    chunk.gapBytes > 0n ? `<${chunk.gapBytes}>` : `${Buffer.from(chunk.data)}`,
  );

test("what was seen is cut off", () => {
  const position = new LogPosition(LogStream.UNSPECIFIED);
  assert.deepEqual(textOf(position.accept(1, chunkAt(0, "hello"))), ["hello"]);
  assert.deepEqual(textOf(position.accept(1, chunkAt(0, "hello"))), []);
  assert.deepEqual(textOf(position.accept(1, chunkAt(3, "lo world"))), [" world"]);
  assert.equal(position.offset, 11n);
});

test("skipped bytes show as a gap, unless one stream is read alone", () => {
  const both = new LogPosition(LogStream.UNSPECIFIED);
  both.accept(1, chunkAt(0, "ab"));
  assert.deepEqual(textOf(both.accept(1, chunkAt(5, "cd"))), ["<3>", "cd"]);
  const one = new LogPosition(LogStream.STDOUT);
  one.accept(1, chunkAt(0, "ab"));
  assert.deepEqual(textOf(one.accept(1, chunkAt(5, "cd"))), ["cd"]);
});

test("a gap of the server moves the position by its bytes", () => {
  const position = new LogPosition(LogStream.UNSPECIFIED);
  const gap = create(LogChunkSchema, { offset: 0n, gapBytes: 10n });
  assert.deepEqual(textOf(position.accept(1, gap)), ["<10>"]);
  assert.deepEqual(textOf(position.accept(1, gap)), []);
  assert.deepEqual(textOf(position.accept(1, chunkAt(8, "xxyy"))), ["yy"]);
});

test("the next attempt starts where it starts, and the one before is over", () => {
  const position = new LogPosition(LogStream.UNSPECIFIED);
  position.accept(1, chunkAt(0, "first"));
  assert.deepEqual(textOf(position.accept(2, chunkAt(0, "second"))), ["second"]);
  assert.deepEqual(textOf(position.accept(1, chunkAt(5, "late"))), []);
});

test("any chunks that start at or before the position give the log once and whole", () => {
  const anyReads = fc.array(fc.tuple(fc.nat({ max: 30 }), fc.nat({ max: 30 })), { maxLength: 30 });
  fc.assert(
    fc.property(anyReads, (reads) => {
      const log = Array.from({ length: 1000 }, (_, index) =>
        String.fromCharCode(97 + (index % 26)),
      ).join("");
      const position = new LogPosition(LogStream.UNSPECIFIED);
      let read = "";
      for (const [back, length] of reads) {
        const start = Math.max(0, read.length - back);
        read += textOf(position.accept(1, chunkAt(start, log.slice(start, start + length)))).join(
          "",
        );
      }
      assert.equal(read, log.slice(0, read.length));
      assert.equal(position.offset, BigInt(read.length));
    }),
  );
});
