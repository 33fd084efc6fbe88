import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { outcomeOf, totalBytes } from "@hodei/domain";
import { pino } from "pino";
import { newRef, specOf } from "../../test/attempt-fixture.ts";
import { scriptedStart } from "../../test/scripted-run.ts";
import { openSpool } from "../../test/temporary-spool.ts";
import { VirtualClock } from "../../test/virtual-clock.ts";
import { AttemptTable } from "../attempt-table.ts";

function setUp(folder: string) {
  const { startAttempt, runs } = scriptedStart();
  const spool = openSpool(folder);
  const table = new AttemptTable({
    clock: new VirtualClock(),
    log: pino({ level: "silent" }),
    startAttempt,
    batchLimits: { segmentCount: 100, sizeBytes: 65_536, intervalMs: 250 },
    logLimitBytes: Number.POSITIVE_INFINITY,
    findObstacle: () => undefined,
    spool,
  });
  const assign = () => {
    const ref = newRef();
    table.assign(ref, specOf(["true"]));
    const run = runs.at(-1);
    assert.ok(run);
    return { ref, run };
  };
  return { table, assign, spool };
}

/** Puts a folder where a file is, which can then be neither read nor removed: as good as a disk that fails. */
function breakFile(path: string): void {
  rmSync(path);
  mkdirSync(path);
}

test("a file that cannot be removed does not end the worker at the next ack", (context) => {
  const folder = mkdtempSync(join(tmpdir(), "hodei-spool-test-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const { table, assign } = setUp(folder);
  const { ref, run } = assign();
  run.write("stdout", Buffer.from("output"));
  while (table.nextMessage() !== undefined);
  for (const name of readdirSync(folder)) breakFile(join(folder, name));
  assert.doesNotThrow(() => table.ackLog({ ref, offset: 6 }));
});

test("a log that can be read no more does not silence the others, nor its own result", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "hodei-spool-test-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const { table, assign } = setUp(folder);
  const broken = assign();
  // More than one file, so that the first is closed and is opened again to be read.
  for (let count = 0; count < 40; count += 1) broken.run.write("stdout", Buffer.alloc(65_536, "x"));
  const [first = ""] = readdirSync(folder).sort();
  breakFile(join(folder, first));
  const healthy = assign();
  healthy.run.write("stdout", Buffer.from("hello"));
  await healthy.run.end(outcomeOf("completed", ""));
  await broken.run.end(outcomeOf("completed", ""));
  const bytes = new Map<string, number>();
  const gaps: unknown[] = [];
  const reported: string[] = [];
  for (let next = table.nextMessage(); next !== undefined; next = table.nextMessage()) {
    if (next.type === "attempt_finished") reported.push(next.report.ref.jobId);
    if (next.type !== "log_batch") continue;
    const { ref, segments } = next.batch;
    bytes.set(ref.jobId, (bytes.get(ref.jobId) ?? 0) + totalBytes(segments));
    gaps.push(...segments.flatMap(({ gap }) => gap ?? []));
    table.ackLog({ ref, offset: bytes.get(ref.jobId) ?? 0 });
  }
  assert.equal(bytes.get(healthy.ref.jobId), 5);
  assert.equal(bytes.get(broken.ref.jobId), 40 * 65_536);
  assert.deepEqual(gaps, ["dropped"]);
  assert.deepEqual(reported.toSorted(), [healthy.ref.jobId, broken.ref.jobId].toSorted());
});

/** Takes all that `table` says as a server does that stores nothing behind a hole; where its log ends, and the gaps. */
function converse(table: AttemptTable, durableOffset: number) {
  let end = durableOffset;
  const gaps: unknown[] = [];
  let logBytes: number | undefined;
  for (let next = table.nextMessage(); next !== undefined; next = table.nextMessage()) {
    if (next.type === "attempt_finished") logBytes = next.report.logBytes;
    if (next.type !== "log_batch") continue;
    const { ref, offset, segments } = next.batch;
    if (offset <= end) {
      gaps.push(...segments.flatMap(({ gap, lengthBytes }) => (gap ? [[gap, lengthBytes]] : [])));
      end = Math.max(end, offset + totalBytes(segments));
    }
    table.ackLog({ ref, offset: end });
  }
  return { end, gaps, logBytes };
}

test("a log whose first file a crash of the machine emptied ends all the same", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "hodei-spool-test-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const { ref, run } = setUp(folder).assign();
  for (let count = 0; count < 40; count += 1) run.write("stdout", Buffer.alloc(65_536, "x"));
  const [first = "", second = ""] = readdirSync(folder).sort();
  truncateSync(join(folder, first));
  const { table, spool } = setUp(folder);
  table.resume(await spool.findLeft());
  table.restart([{ ref, offset: 100 }]);
  const { end, gaps, logBytes } = converse(table, 100);
  assert.equal(end, 40 * 65_536);
  assert.equal(logBytes, end);
  assert.deepEqual(gaps, [["dropped", Number(/(\d+)\.spool$/.exec(second)?.[1]) - 100]]);
});

test("a server that lost what it had acked gets what is left, and a gap", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "hodei-spool-test-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const { table, assign } = setUp(folder);
  const { ref, run } = assign();
  run.write("stdout", Buffer.from("acked"));
  assert.equal(converse(table, 0).end, 5);
  table.restart([{ ref, offset: 2 }]);
  run.write("stdout", Buffer.from("later"));
  await run.end(outcomeOf("completed", ""));
  assert.deepEqual(converse(table, 2), { end: 10, gaps: [["dropped", 3]], logBytes: 10 });
});
