import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { LogStream } from "@hodei/domain";
import fc from "fast-check";
import { newRef } from "../test/attempt-fixture.ts";
import { temporarySpool } from "../test/temporary-spool.ts";
import { AttemptLog } from "./attempt-log.ts";
import type { AttemptSpool } from "./spool/attempt-spool.ts";

const at = (ms: number): Date => new Date(ms);
const bytes = (text: string): Buffer => Buffer.from(text);
const newSpool = (attemptMaxBytes = 1_000_000) =>
  temporarySpool({ attemptMaxBytes }).create(newRef());

function logOn(spool: AttemptSpool, limitBytes = Number.POSITIVE_INFINITY) {
  const counts = { droppedBytes: 0, errors: 0 };
  const log = new AttemptLog({
    spool,
    limitBytes,
    onDropped: (dropped) => {
      counts.droppedBytes += dropped;
    },
    onSpoolError: () => {
      counts.errors += 1;
    },
  });
  return { log, counts };
}

describe("segments", () => {
  test("reads of one stream that are near in time become one", () => {
    const { log } = logOn(newSpool());
    log.append("stdout", bytes("a"), at(0));
    log.append("stdout", bytes("b"), at(249));
    log.append("stdout", bytes("c"), at(250));
    log.append("stderr", bytes("d"), at(251));
    assert.equal(log.unsentSegments, 3);
    const piece = log.take(100, 100);
    assert.equal(Buffer.from(piece?.data ?? []).toString(), "abcd");
    assert.deepEqual(piece?.segments, [
      { stream: "stdout", lengthBytes: 2, at: at(0), gap: null },
      { stream: "stdout", lengthBytes: 1, at: at(250), gap: null },
      { stream: "stderr", lengthBytes: 1, at: at(251), gap: null },
    ]);
    assert.equal(log.unsentSegments, 0);
  });
});

describe("bounds", () => {
  test("it is full at the bytes of its files, and has room again after acks", () => {
    const { log } = logOn(newSpool(100_000));
    while (!log.isFull) log.append("stdout", Buffer.alloc(1_000), at(0));
    assert.ok(log.endOffset > 90_000 && log.endOffset <= 100_000);
    while (log.take(10_000, 100) !== undefined);
    log.ack(log.endOffset - 1);
    assert.equal(log.isFull, false);
  });

  test("single bytes of alternating streams count for the disk they take", () => {
    const { log } = logOn(newSpool(65_536));
    let count = 0;
    for (; !log.isFull; count += 1) log.append(count % 2 ? "stdout" : "stderr", bytes("x"), at(0));
    assert.ok(count <= 65_536 / 17);
  });

  test("an attempt with little in the spool is not full on account of others", () => {
    const shared = temporarySpool({ maxBytes: 100_000, attemptMaxBytes: 1_000_000 });
    const { log: large } = logOn(shared.create(newRef()));
    while (!large.isFull) large.append("stdout", Buffer.alloc(10_000), at(0));
    assert.ok(large.endOffset >= 250_000, "no attempt is kept below its own share");
    const { log: small } = logOn(shared.create(newRef()));
    small.append("stdout", Buffer.alloc(10_000), at(0));
    assert.equal(small.isFull, false);
  });

  test("what is dropped is a gap with its count, where it was, once there is room", () => {
    const { log, counts } = logOn(newSpool(10_000));
    log.append("stdout", Buffer.alloc(9_990), at(0));
    log.startDropping();
    log.append("stdout", bytes("dropped"), at(1));
    log.append("stderr", bytes("too"), at(2));
    log.take(10_000, 100);
    log.ack(9_990);
    log.append("stdout", bytes("kept"), at(3));
    assert.deepEqual(log.take(100, 100), {
      offset: 9_990,
      data: new Uint8Array(bytes("kept")),
      segments: [
        { stream: "stdout", lengthBytes: 7, at: at(1), gap: "dropped" },
        { stream: "stderr", lengthBytes: 3, at: at(1), gap: "dropped" },
        { stream: "stdout", lengthBytes: 4, at: at(3), gap: null },
      ],
    });
    assert.equal(counts.droppedBytes, 10);
    assert.equal(log.endOffset, 10_004);
  });

  test("the limit is told at once, and in whole at the end", () => {
    const { log } = logOn(newSpool(), 5);
    log.append("stdout", bytes("abcdefg"), at(0));
    log.append("stderr", bytes("h"), at(1));
    log.append("stdout", bytes("ij"), at(2));
    assert.equal(log.isLeavingOut, true);
    assert.deepEqual(log.take(100, 100)?.segments, [
      { stream: "stdout", lengthBytes: 5, at: at(0), gap: null },
      { stream: "stdout", lengthBytes: 2, at: at(0), gap: "limit" },
    ]);
    log.finish();
    assert.deepEqual(log.take(100, 100)?.segments, [
      { stream: "stdout", lengthBytes: 2, at: at(1), gap: "limit" },
      { stream: "stderr", lengthBytes: 1, at: at(1), gap: "limit" },
    ]);
    assert.equal(log.endOffset, 10);
  });
});

test("a disk that takes nothing costs output, counted, and no more", () => {
  const spool = temporarySpool();
  const { log, counts } = logOn(spool.create({ ...newRef(), jobId: "no/such/folder" as never }));
  log.append("stdout", bytes("abc"), at(0));
  log.append("stderr", bytes("d"), at(1));
  log.finish();
  assert.ok(counts.errors > 0);
  assert.equal(counts.droppedBytes, 4);
  const segments = [
    { stream: "stdout", lengthBytes: 3, at: at(0), gap: "dropped" },
    { stream: "stderr", lengthBytes: 1, at: at(0), gap: "dropped" },
  ];
  assert.deepEqual(log.take(100, 100)?.segments, segments);
  log.ack(3);
  log.rewind();
  assert.deepEqual(log.take(100, 100), {
    offset: 3,
    data: new Uint8Array(0),
    segments: segments.slice(1),
  });
  log.ack(4);
  assert.equal(log.unsentBytes + log.inFlightBytes, 0);
});

test("an ack beyond the end counts as the end, an old one not at all", () => {
  const { log } = logOn(newSpool());
  log.append("stdout", bytes("abc"), at(0));
  assert.equal(log.ack(10), true);
  assert.equal(log.unsentBytes + log.inFlightBytes, 0);
  assert.equal(log.ack(1), false);
  log.append("stdout", bytes("d"), at(1));
  assert.equal(log.take(10, 10)?.offset, 3);
});

/** What a server has of a log: it stores what follows and ignores what leaves a hole. Missing bytes are `null`. */
class Receiver {
  readonly received: Record<LogStream, (number | null)[]> = { stdout: [], stderr: [] };
  durable = 0;

  receive(log: AttemptLog, maxBytes: number): boolean {
    const piece = log.take(maxBytes, 5);
    if (piece === undefined) return false;
    assert.ok(piece.data.length <= maxBytes && piece.segments.length <= 5);
    assert.ok(piece.offset <= this.durable, "a hole");
    let position = piece.offset;
    let start = 0;
    for (const { stream, lengthBytes, gap } of piece.segments) {
      const data = gap === null ? [...piece.data.subarray(start, start + lengthBytes)] : [];
      const values = gap === null ? data : Array.from({ length: lengthBytes }, () => null);
      this.received[stream].push(...values.slice(Math.max(0, this.durable - position)));
      position += lengthBytes;
      start += data.length;
      this.durable = Math.max(this.durable, position);
    }
    assert.equal(start, piece.data.length);
    return true;
  }
}

/** One log and its receiver, moved step by step. */
class Conversation {
  readonly #ref = newRef();
  readonly #spool = temporarySpool({ attemptMaxBytes: 2_000 });
  readonly #receiver = new Receiver();
  readonly #source: Record<LogStream, number[]> = { stdout: [], stderr: [] };
  #log: AttemptLog;
  #nowMs = 0;
  #hasRestarted = false;

  constructor(limitBytes: number) {
    this.#log = logOn(this.#spool.create(this.#ref), limitBytes).log;
  }

  append(stream: LogStream, data: Uint8Array, afterMs: number): void {
    // After a restart nobody reads the attempt's output any more.
    if (this.#hasRestarted) return;
    this.#nowMs += afterMs;
    this.#log.append(stream, data, at(this.#nowMs));
    this.#source[stream].push(...data);
    if (this.#log.isFull) this.#log.startDropping();
  }

  take(maxBytes: number): void {
    this.#receiver.receive(this.#log, maxBytes);
  }

  ack(share: number): void {
    this.#log.ack(Math.floor(this.#receiver.durable * share));
  }

  rewind(): void {
    this.#log.rewind();
  }

  drop(): void {
    this.#log.startDropping();
  }

  /** Another worker goes on with what this one has spooled. */
  async restart(): Promise<void> {
    this.#log.finish();
    this.#hasRestarted = true;
    const [left] = await this.#spool.findLeft();
    if (left === undefined) return;
    assert.deepEqual(left.ref, this.#ref);
    this.#log = logOn(left.spool).log;
    this.#log.ack(this.#receiver.durable);
  }

  finish(): void {
    const log = this.#log;
    log.finish();
    while (this.#receiver.receive(log, 100)) assert.ok(log.inFlightBytes > 0);
    log.ack(this.#receiver.durable);
    assert.equal(log.unsentBytes + log.inFlightBytes, 0);
    for (const name of ["stdout", "stderr"] as const) {
      const received = this.#receiver.received[name];
      const expected = this.#source[name].map((byte, i) => (received[i] === null ? null : byte));
      assert.deepEqual(received, expected);
    }
  }
}

test("whatever is dropped, taken, acked, rewound and restarted, every byte is there or counted", async () => {
  type Step = (conversation: Conversation) => void | Promise<void>;
  const stream = fc.constantFrom<LogStream>("stdout", "stderr");
  const data = fc.uint8Array({ minLength: 1, maxLength: 300 });
  const append = fc.tuple(stream, data, fc.nat({ max: 300 })).map(
    ([...args]): Step =>
      (conversation) =>
        conversation.append(...args),
  );
  const take = fc.integer({ min: 1, max: 400 }).map(
    (maxBytes): Step =>
      (conversation) =>
        conversation.take(maxBytes),
  );
  const ack = fc.double({ min: 0, max: 1, noNaN: true }).map(
    (share): Step =>
      (conversation) =>
        conversation.ack(share),
  );
  const steps = fc.oneof(
    { weight: 4, arbitrary: append },
    { weight: 4, arbitrary: take },
    { weight: 2, arbitrary: ack },
    fc.constant<Step>((conversation) => conversation.rewind()),
    fc.constant<Step>((conversation) => conversation.drop()),
    fc.constant<Step>((conversation) => conversation.restart()),
  );
  const limits = fc.constantFrom(Number.POSITIVE_INFINITY, 2_000, 100);
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { maxLength: 60 }), limits, async (history, limitBytes) => {
      const conversation = new Conversation(limitBytes);
      for (const step of history) await step(conversation);
      conversation.finish();
    }),
    { numRuns: 150 },
  );
});
