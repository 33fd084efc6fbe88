import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { LogStream } from "@hodei/domain";
import fc from "fast-check";
import { AttemptLog } from "./attempt-log.ts";

const at = (ms: number): Date => new Date(ms);
const bytes = (text: string): Buffer => Buffer.from(text);

describe("segments", () => {
  test("reads of one stream that are near in time become one", () => {
    const log = new AttemptLog(65_536);
    log.append("stdout", bytes("a"), at(0));
    log.append("stdout", bytes("b"), at(249));
    log.append("stdout", bytes("c"), at(250));
    log.append("stderr", bytes("d"), at(251));
    const piece = log.take(100, 100);
    assert.equal(Buffer.from(piece?.data ?? []).toString(), "abcd");
    assert.deepEqual(piece?.segments, [
      { stream: "stdout", lengthBytes: 2, at: at(0) },
      { stream: "stdout", lengthBytes: 1, at: at(250) },
      { stream: "stderr", lengthBytes: 1, at: at(251) },
    ]);
  });

  test("what was sent is not added to", () => {
    const log = new AttemptLog(65_536);
    log.append("stdout", bytes("a"), at(0));
    log.take(100, 100);
    log.append("stdout", bytes("b"), at(1));
    log.rewind();
    assert.equal(log.take(100, 100)?.segments.length, 2);
  });
});

describe("bound", () => {
  test("it is full at its bytes, and not before", () => {
    const log = new AttemptLog(1_000);
    log.append("stdout", Buffer.alloc(935), at(0));
    assert.equal(log.isFull, false);
    log.append("stdout", Buffer.alloc(1), at(0));
    assert.equal(log.isFull, true);
    log.take(1_000, 100);
    log.ack(936);
    assert.equal(log.isFull, false);
  });

  test("single bytes of alternating streams count for the memory they take", () => {
    const log = new AttemptLog(65_536);
    let count = 0;
    for (; !log.isFull; count += 1) log.append(count % 2 ? "stdout" : "stderr", bytes("x"), at(0));
    assert.ok(count <= 1_024);
  });
});

test("an ack beyond the end counts as the end, an old one not at all", () => {
  const log = new AttemptLog(65_536);
  log.append("stdout", bytes("abc"), at(0));
  assert.equal(log.ack(10), true);
  assert.equal(log.isAcked, true);
  assert.equal(log.ack(1), false);
  log.append("stdout", bytes("d"), at(1));
  assert.equal(log.take(10, 10)?.offset, 3);
});

test("whatever is taken, acked and rewound, a receiver that follows offsets gets the source", () => {
  const stream = fc.constantFrom<LogStream>("stdout", "stderr");
  const step = fc.oneof(
    fc.record({
      kind: fc.constant("append" as const),
      stream,
      data: fc.uint8Array({ minLength: 1, maxLength: 300 }),
      afterMs: fc.nat({ max: 300 }),
    }),
    fc.record({ kind: fc.constant("take" as const), maxBytes: fc.integer({ min: 1, max: 200 }) }),
    fc.record({ kind: fc.constant("ack" as const), percent: fc.nat({ max: 100 }) }),
    fc.record({ kind: fc.constant("rewind" as const) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const log = new AttemptLog(1024 * 1024);
      const source = { stdout: [] as number[], stderr: [] as number[] };
      const received = { stdout: [] as number[], stderr: [] as number[] };
      let durable = 0;
      let nowMs = 0;
      const receive = (maxBytes: number): boolean => {
        const piece = log.take(maxBytes, 5);
        if (piece === undefined) return false;
        assert.ok(piece.data.length <= maxBytes && piece.segments.length <= 5);
        assert.ok(piece.offset <= durable, "a hole");
        let position = piece.offset;
        for (const segment of piece.segments) {
          const start = position - piece.offset;
          const fresh = Math.max(0, durable - position);
          received[segment.stream].push(
            ...piece.data.subarray(start + fresh, start + segment.lengthBytes),
          );
          position += segment.lengthBytes;
        }
        assert.equal(position, piece.offset + piece.data.length);
        durable = Math.max(durable, position);
        return true;
      };
      for (const next of steps) {
        switch (next.kind) {
          case "append":
            nowMs += next.afterMs;
            log.append(next.stream, next.data, at(nowMs));
            source[next.stream].push(...next.data);
            break;
          case "take":
            receive(next.maxBytes);
            break;
          case "ack":
            log.ack(Math.floor((durable * next.percent) / 100));
            break;
          case "rewind":
            log.rewind();
            break;
        }
        assert.equal(log.endOffset, source.stdout.length + source.stderr.length);
      }
      while (receive(100)) assert.equal(log.isInFlight, true);
      log.ack(durable);
      assert.equal(log.isAcked, true);
      assert.deepEqual(received, source);
    }),
  );
});
