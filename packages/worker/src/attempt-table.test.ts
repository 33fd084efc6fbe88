import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import { type AttemptRef, type LeaseToken, type LogBatch, outcomeOf } from "@hodei/domain";
import fc from "fast-check";
import { pino } from "pino";
import { newRef, specOf } from "../test/attempt-fixture.ts";
import { type ScriptedRun, scriptedStart } from "../test/scripted-run.ts";
import { temporarySpool } from "../test/temporary-spool.ts";
import { VirtualClock } from "../test/virtual-clock.ts";
import { AttemptTable } from "./attempt-table.ts";
import { type AttemptMessage, OVERFLOW_WAIT_MS, RESEND_AFTER_MS } from "./held-attempt.ts";

const COMPLETED = outcomeOf("completed", "");
const LIMITS = { segmentCount: 10, sizeBytes: 1_000, intervalMs: 250 };
const TRUE = specOf(["true"]);

function setUp(attemptMaxBytes = 16_000_000) {
  const clock = new VirtualClock();
  const { startAttempt, runs } = scriptedStart();
  const log = pino({ level: "silent" });
  const machine: { obstacle: string | undefined } = { obstacle: undefined };
  const table = new AttemptTable({
    clock,
    log,
    startAttempt,
    batchLimits: LIMITS,
    logLimitBytes: Number.POSITIVE_INFINITY,
    findObstacle: () => machine.obstacle,
    spool: temporarySpool({ attemptMaxBytes }),
  });
  return { clock, runs, table, machine };
}

/** Assigns an attempt and returns it with its run. */
function assign(
  table: AttemptTable,
  runs: readonly ScriptedRun[],
): { ref: AttemptRef; run: ScriptedRun } {
  const ref = newRef();
  table.assign(ref, TRUE);
  const run = runs.at(-1);
  assert.ok(run);
  return { ref, run };
}

/** Everything the table has to say now. */
function say(table: AttemptTable): AttemptMessage[] {
  const messages: AttemptMessage[] = [];
  for (let next = table.nextMessage(); next !== undefined; next = table.nextMessage())
    messages.push(next);
  return messages;
}

const typesOf = (messages: readonly AttemptMessage[]): string[] => messages.map(({ type }) => type);

describe("assignment", () => {
  test("starts the attempt and says so; repeated, it only says so", () => {
    const { table, runs } = setUp();
    const { ref } = assign(table, runs);
    assert.deepEqual(say(table), [{ type: "attempt_started", ref }]);
    table.assign(ref, TRUE);
    assert.deepEqual(say(table), [{ type: "attempt_started", ref }]);
    assert.equal(runs.length, 1);
  });

  test("is refused while draining, and under a second lease", () => {
    const { table, runs } = setUp();
    const { ref } = assign(table, runs);
    say(table);
    const other = { ...ref, leaseToken: newRef().leaseToken };
    table.assign(other, TRUE);
    table.drain();
    table.assign(newRef(), TRUE);
    assert.deepEqual(typesOf(say(table)), ["attempt_refused", "attempt_refused"]);
    assert.equal(runs.length, 1);
  });

  test("is refused while something keeps the machine from it", () => {
    const { table, runs, machine } = setUp();
    const { ref } = assign(table, runs);
    machine.obstacle = "no disk";
    table.assign(ref, TRUE);
    const late = newRef();
    table.assign(late, TRUE);
    const started = { type: "attempt_started", ref };
    assert.deepEqual(say(table), [
      { type: "attempt_refused", ref: late, message: "no disk" },
      started,
    ]);
    machine.obstacle = undefined;
    table.assign(late, TRUE);
    assert.deepEqual(say(table), [{ type: "attempt_started", ref: late }]);
  });

  test("is refused when 1,000 are held", () => {
    const { table, runs } = setUp();
    for (let count = 0; count < 1_000; count += 1) table.assign(newRef(), TRUE);
    say(table);
    table.assign(newRef(), TRUE);
    assert.deepEqual(typesOf(say(table)), ["attempt_refused"]);
    assert.equal(runs.length, 1_000);
  });
});

describe("result", () => {
  test("follows the whole log, and is forgotten when it is acked itself", async () => {
    const { table, runs } = setUp();
    const { ref, run } = assign(table, runs);
    run.write("stdout", Buffer.from("abc"));
    await run.end(COMPLETED);
    const said = say(table);
    assert.deepEqual(typesOf(said), ["attempt_started", "log_batch", "attempt_finished"]);
    const report = { ref, outcome: COMPLETED, logBytes: 3, processesLeft: 0, usage: null };
    assert.deepEqual(said[2], { type: "attempt_finished", report });
    table.ackLog({ ref, offset: 3 });
    assert.deepEqual(say(table), []);
    assert.equal(table.isEmpty, false);
    table.ackResult(ref, true);
    assert.equal(table.isEmpty, true);
  });

  test("is sent again when no ack comes, and so is the log", async () => {
    const { clock, table, runs } = setUp();
    const { ref, run } = assign(table, runs);
    run.write("stdout", Buffer.from("abc"));
    await run.end(COMPLETED);
    say(table);
    clock.advance(RESEND_AFTER_MS - 1);
    assert.deepEqual(say(table), []);
    assert.equal(table.dueAtMs(), RESEND_AFTER_MS);
    clock.advance(1);
    assert.deepEqual(typesOf(say(table)), ["log_batch", "attempt_finished"]);
    table.ackLog({ ref, offset: 3 });
    assert.deepEqual(say(table), []);
    clock.advance(RESEND_AFTER_MS);
    assert.deepEqual(typesOf(say(table)), ["attempt_finished"]);
  });

  test("an ack before the end, or under another lease, changes nothing", async () => {
    const { table, runs } = setUp();
    const { ref, run } = assign(table, runs);
    table.ackResult(ref, true);
    assert.equal(table.runningCount, 1);
    await run.end(COMPLETED);
    table.ackResult({ ...ref, leaseToken: "other" as LeaseToken }, true);
    assert.equal(table.isEmpty, false);
  });
});

describe("ends asked for", () => {
  test("cancel terminates, abandon kills and forgets", async () => {
    const { table, runs } = setUp(1_000);
    const { ref, run } = assign(table, runs);
    table.cancel(ref);
    assert.equal(run.terminatedWith?.reason, "cancelled_by");
    run.write("stdout", Buffer.alloc(2_000));
    assert.equal(run.isReading, false);
    table.abandon(ref);
    assert.equal(run.killCount, 1);
    assert.deepEqual(table.refs, []);
    assert.equal(table.runningCount, 1);
    run.write("stdout", Buffer.alloc(2_000));
    assert.equal(run.isReading, true, "its last output must not hold its end up");
    await run.end(COMPLETED);
    assert.equal(table.isEmpty, true);
    assert.deepEqual(say(table), []);
  });

  test("until resolves on the change that makes its condition hold, or on its signal", async () => {
    const { table, runs } = setUp();
    const { run } = assign(table, runs);
    const stop = new AbortController();
    const ended = table.until(() => table.runningCount === 0, new AbortController().signal);
    const stopped = table.until(() => table.isEmpty, stop.signal);
    await run.end(COMPLETED);
    await ended;
    stop.abort();
    await stopped;
  });
});

describe("a full spool", () => {
  const block = specOf(["true"], {
    logPolicy: { maxBytes: Number.POSITIVE_INFINITY, overflow: "block" },
  });

  test("with overflow block, it is waited for without end", () => {
    const { clock, table, runs } = setUp(1_000);
    table.assign(newRef(), block);
    runs[0]?.write("stdout", Buffer.alloc(2_000));
    clock.advance(OVERFLOW_WAIT_MS * 1_000);
    assert.equal(runs[0]?.isReading, false);
    assert.equal(table.droppedLogBytes, 0);
  });

  test("with overflow drop, acks in time cost nothing", () => {
    const { clock, table, runs } = setUp(1_000);
    const { ref, run } = assign(table, runs);
    run.write("stdout", Buffer.alloc(2_000));
    assert.equal(run.isReading, false);
    clock.advance(OVERFLOW_WAIT_MS - 1);
    say(table);
    table.ackLog({ ref, offset: 2_000 });
    assert.equal(run.isReading, true);
    clock.advance(OVERFLOW_WAIT_MS);
    run.write("stdout", Buffer.alloc(100));
    assert.equal(table.droppedLogBytes, 0);
  });

  test("with overflow drop, output is left out after the wait, until there is room", () => {
    const { clock, table, runs } = setUp(1_000);
    const { ref, run } = assign(table, runs);
    run.write("stdout", Buffer.alloc(2_000));
    clock.advance(OVERFLOW_WAIT_MS);
    assert.equal(run.isReading, true);
    run.write("stdout", Buffer.alloc(500));
    assert.equal(run.isReading, true);
    assert.equal(table.droppedLogBytes, 500);
    say(table);
    table.ackLog({ ref, offset: 2_000 });
    run.write("stdout", Buffer.from("kept"));
    clock.advance(LIMITS.intervalMs);
    const [message] = say(table);
    assert.ok(message?.type === "log_batch");
    assert.deepEqual(
      message.batch.segments.map(({ gap, lengthBytes }) => [gap, lengthBytes]),
      [
        ["dropped", 500],
        [null, 4],
      ],
    );
  });
});

describe("fairness", () => {
  test("attempts take turns, batch by batch", () => {
    const { table, runs } = setUp(1_000_000);
    const first = assign(table, runs);
    const second = assign(table, runs);
    say(table);
    first.run.write("stdout", Buffer.alloc(5_000));
    second.run.write("stdout", Buffer.alloc(2_000));
    const speakers = say(table).map((m) => (m.type === "log_batch" ? m.batch.ref : undefined));
    const order = speakers.map((ref) => (ref === first.ref ? 1 : 2));
    assert.deepEqual(order, [1, 2, 1, 2, 1, 1, 1]);
  });
});

/** What a server keeps of one attempt: it stores what follows and ignores what leaves a hole. */
class ModelServer {
  log = Buffer.alloc(0);
  hasStarted = false;
  logBytesReported: number | undefined;

  take(message: AttemptMessage): void {
    switch (message.type) {
      case "attempt_started":
        this.hasStarted = true;
        return;
      case "log_batch":
        this.#store(message.batch);
        return;
      case "attempt_finished":
        assert.equal(this.log.length, message.report.logBytes, "the result came before the log");
        this.logBytesReported = message.report.logBytes;
        return;
      case "attempt_refused":
        assert.fail("nothing was to be refused");
    }
  }

  #store(batch: LogBatch): void {
    const { offset, segments } = batch;
    const data = batch.compression === "zstd" ? zstdDecompressSync(batch.data) : batch.data;
    assert.ok(this.hasStarted, "log came before the start");
    assert.ok(data.length <= LIMITS.sizeBytes && segments.length <= LIMITS.segmentCount);
    assert.ok(offset <= this.log.length, "the worker left a hole");
    this.log = Buffer.concat([this.log, data.subarray(this.log.length - offset)]);
  }
}

/** One attempt, its worker and its server, moved step by step; each step takes a number. */
class Conversation {
  readonly #parts = setUp(3_000);
  readonly #server = new ModelServer();
  readonly #attempt = assign(this.#parts.table, this.#parts.runs);
  readonly #source: Buffer[] = [];

  write(size: number): void {
    if (!this.#attempt.run.isReading) return;
    const bytes = Buffer.alloc(size, this.#source.length);
    this.#source.push(bytes);
    this.#attempt.run.write(size % 3 ? "stdout" : "stderr", bytes);
  }

  deliver(count: number): void {
    for (let left = count; left > 0; left -= 1) {
      const message = this.#parts.table.nextMessage();
      if (message !== undefined) this.#server.take(message);
    }
  }

  ack(): void {
    this.#parts.table.ackLog({ ref: this.#attempt.ref, offset: this.#server.log.length });
  }

  wait(ms: number): void {
    this.#parts.clock.advance(ms);
  }

  /** The connection is cut with `count` messages on their way, and a new session begins. */
  reconnect(count: number): void {
    for (let left = count; left > 0; left -= 1) this.#parts.table.nextMessage();
    this.#parts.table.restart([{ ref: this.#attempt.ref, offset: this.#server.log.length }]);
  }

  /** The attempt ends, and the rest is said over a good connection. */
  async finish(): Promise<void> {
    const { table } = this.#parts;
    await this.#attempt.run.end(COMPLETED);
    while (this.#server.logBytesReported === undefined) {
      this.deliver(1);
      this.ack();
    }
    assert.ok(this.#server.log.equals(Buffer.concat(this.#source)));
    table.ackResult(this.#attempt.ref, true);
    assert.equal(table.isEmpty, true);
    assert.equal(table.dueAtMs(), Number.POSITIVE_INFINITY);
  }
}

test("whatever is written, lost, acked late and reconnected, the server ends with the source", async () => {
  const step = (name: "write" | "deliver" | "ack" | "wait" | "reconnect", max: number) =>
    fc.tuple(fc.constant(name), fc.integer({ min: 1, max }));
  const steps = fc.oneof(
    { weight: 4, arbitrary: step("write", 700) },
    { weight: 4, arbitrary: step("deliver", 5) },
    { weight: 2, arbitrary: step("ack", 1) },
    { weight: 2, arbitrary: step("wait", 400) },
    { weight: 1, arbitrary: step("reconnect", 3) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { maxLength: 80 }), async (history) => {
      const conversation = new Conversation();
      for (const [name, size] of history) conversation[name](size);
      await conversation.finish();
    }),
  );
});
