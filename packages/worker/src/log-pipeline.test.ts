import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type LogBatch, type LogStream, outcomeOf } from "@hodei/domain";
import { anAttempt, MemoryDatabase, MemoryLogStore, putAttempt } from "@hodei/testkit";
import fc from "fast-check";
import { pino } from "pino";
import { specOf } from "../test/attempt-fixture.ts";
import { type ScriptedRun, scriptedStart } from "../test/scripted-run.ts";
import { openSpool } from "../test/temporary-spool.ts";
import { VirtualClock } from "../test/virtual-clock.ts";
import { AttemptTable } from "./attempt-table.ts";

const LIMITS = { segmentCount: 6, sizeBytes: 400, intervalMs: 250 };
const SPEC = specOf(["true"], { logPolicy: { maxBytes: null, overflow: "block" } });

/** More than a history's batches, several times over. */
const TURNS_MAX = 1_000;

/** What becomes of batches on their way. */
type Fate = "kept" | "lost" | "doubled" | "reversed";

const folder = mkdtempSync(join(tmpdir(), "hodei-log-pipeline-test-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let pipelineCount = 0;

/** One attempt's output through the worker's spool and batches, a bad network and a log store, step by step. */
class Pipeline {
  readonly #clock = new VirtualClock();
  readonly #folder = join(folder, String(pipelineCount++));
  readonly #attempt = anAttempt();
  readonly #logs: MemoryLogStore;
  readonly #source: Record<LogStream, Buffer[]> = { stdout: [], stderr: [] };
  #table: AttemptTable;
  /** `undefined` once the worker was restarted: nobody reads the attempt's output any more. */
  #run: ScriptedRun | undefined;
  #reportedBytes: number | undefined;

  private constructor(logs: MemoryLogStore) {
    const { startAttempt, runs } = scriptedStart();
    this.#logs = logs;
    this.#table = this.#createTable(startAttempt);
    this.#table.assign(this.#ref, SPEC);
    this.#run = runs[0];
  }

  static async create(): Promise<Pipeline> {
    const database = new MemoryDatabase({ onCommit: () => undefined });
    await putAttempt(database, anAttempt());
    return new Pipeline(new MemoryLogStore({ database }));
  }

  write(stream: LogStream, bytes: Uint8Array): void {
    if (this.#run?.isReading !== true) return;
    this.#source[stream].push(Buffer.from(bytes));
    this.#run.write(stream, bytes);
  }

  async send(count: number, fate: Fate): Promise<void> {
    const batches: LogBatch[] = [];
    for (let left = count; left > 0; left -= 1) {
      const message = this.#table.nextMessage();
      if (message?.type === "log_batch") batches.push(message.batch);
      if (message?.type === "attempt_finished") this.#reportedBytes = message.report.logBytes;
    }
    for (const batch of arrange(batches, fate)) await this.#logs.append([batch]);
  }

  async ack(): Promise<void> {
    this.#table.ackLog({ ref: this.#ref, offset: await this.#durableOffset() });
  }

  wait(ms: number): void {
    this.#clock.advance(ms);
  }

  async reconnect(): Promise<void> {
    this.#table.restart([{ ref: this.#ref, offset: await this.#durableOffset() }]);
  }

  /** Another worker finds what this one has spooled. */
  async restart(): Promise<void> {
    this.#run = undefined;
    this.#table = this.#createTable(scriptedStart().startAttempt);
    this.#table.resume(await openSpool(this.#folder).findLeft());
    await this.reconnect();
  }

  /** Everything is said over a good network; then the store has what was written. */
  async finish(): Promise<void> {
    await this.#run?.end(outcomeOf("completed", ""));
    await this.reconnect();
    // What was said before may have been lost, or refused because the log was not whole yet.
    this.#reportedBytes = undefined;
    for (let turn = 0; this.#reportedBytes === undefined && !this.#table.isEmpty; turn += 1) {
      assert.ok(turn < TURNS_MAX, "the worker does not say everything again");
      await this.send(1, "kept");
      await this.ack();
    }
    const wholeBytes = this.#source.stdout.concat(this.#source.stderr).reduce(sumLengths, 0);
    assert.equal(await this.#durableOffset(), wholeBytes);
    assert.equal(this.#reportedBytes ?? wholeBytes, wholeBytes);
    for (const stream of ["stdout", "stderr"] as const) {
      assert.deepEqual(await this.#read(stream), Buffer.concat(this.#source[stream]));
    }
    this.#table.ackResult(this.#ref, true);
  }

  get #ref() {
    const { jobId, number, leaseToken } = this.#attempt;
    return { jobId, attempt: number, leaseToken };
  }

  #createTable(startAttempt: ReturnType<typeof scriptedStart>["startAttempt"]): AttemptTable {
    return new AttemptTable({
      clock: this.#clock,
      log: pino({ level: "silent" }),
      startAttempt,
      batchLimits: LIMITS,
      logLimitBytes: Number.POSITIVE_INFINITY,
      findObstacle: () => undefined,
      spool: openSpool(this.#folder, { attemptMaxBytes: 4_000 }),
    });
  }

  #durableOffset(): Promise<number> {
    return this.#logs.durableOffset(this.#ref.jobId, this.#ref.attempt);
  }

  async #read(stream: LogStream): Promise<Buffer> {
    const range = { ...this.#ref, offset: 0, maxBytes: 1_000_000, stream };
    const { chunks } = await this.#logs.read(range);
    assert.ok(chunks.every(({ missing }) => missing === null));
    return Buffer.concat(chunks.map(({ data }) => data));
  }
}

function arrange(batches: readonly LogBatch[], fate: Fate): readonly LogBatch[] {
  switch (fate) {
    case "kept":
      return batches;
    case "lost":
      return [];
    case "doubled":
      return [...batches, ...batches];
    case "reversed":
      return batches.toReversed();
  }
}

const sumLengths = (sum: number, { length }: Buffer): number => sum + length;

test("what a job wrote is what the store has, whatever is lost, doubled, mixed up and restarted", async () => {
  type Step = (pipeline: Pipeline) => void | Promise<void>;
  const write = fc
    .tuple(
      fc.constantFrom<LogStream>("stdout", "stderr"),
      fc.uint8Array({ minLength: 1, maxLength: 900 }),
    )
    .map(
      ([stream, bytes]): Step =>
        (pipeline) =>
          pipeline.write(stream, bytes),
    );
  const send = fc
    .tuple(
      fc.integer({ min: 1, max: 5 }),
      fc.constantFrom<Fate>("kept", "kept", "lost", "doubled", "reversed"),
    )
    .map(
      ([count, fate]): Step =>
        (pipeline) =>
          pipeline.send(count, fate),
    );
  const wait = fc.constantFrom(100, 300, 11_000).map(
    (ms): Step =>
      (pipeline) =>
        pipeline.wait(ms),
  );
  const steps = fc.oneof(
    { weight: 6, arbitrary: write },
    { weight: 5, arbitrary: send },
    { weight: 2, arbitrary: wait },
    { weight: 2, arbitrary: fc.constant<Step>((pipeline) => pipeline.ack()) },
    fc.constant<Step>((pipeline) => pipeline.reconnect()),
  );
  const stepsWithRestart = fc
    .tuple(fc.array(steps, { maxLength: 40 }), fc.nat({ max: 60 }))
    .map(([all, at]) => all.toSpliced(at, 0, (pipeline: Pipeline) => pipeline.restart()));
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.array(steps, { maxLength: 60 }), stepsWithRestart),
      async (history) => {
        const pipeline = await Pipeline.create();
        for (const step of history) await step(pipeline);
        await pipeline.finish();
      },
    ),
  );
});
