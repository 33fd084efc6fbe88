import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { outcomeOf } from "@hodei/domain";
import { pino } from "pino";
import { newRef, specOf } from "../../test/attempt-fixture.ts";
import { scriptedStart } from "../../test/scripted-run.ts";
import { openSpool } from "../../test/temporary-spool.ts";
import { VirtualClock } from "../../test/virtual-clock.ts";
import { AttemptTable } from "../attempt-table.ts";

function setUp(folder: string) {
  const { startAttempt, runs } = scriptedStart();
  const table = new AttemptTable({
    clock: new VirtualClock(),
    log: pino({ level: "silent" }),
    startAttempt,
    batchLimits: { segmentCount: 100, sizeBytes: 65_536, intervalMs: 250 },
    logLimitBytes: Number.POSITIVE_INFINITY,
    findObstacle: () => undefined,
    spool: openSpool(folder),
  });
  const assign = () => {
    const ref = newRef();
    table.assign(ref, specOf(["true"]));
    const run = runs.at(-1);
    assert.ok(run);
    return { ref, run };
  };
  return { table, assign };
}

test("a disk that is read only all at once does not end the worker at the next ack", (context) => {
  if (process.getuid?.() !== 0) return context.skip("needs root");
  const folder = mkdtempSync(join(tmpdir(), "hodei-spool-test-"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "tmpfs", folder]);
  if (mounted.status !== 0) return context.skip("may not mount");
  context.after(() => {
    while (spawnSync("umount", ["-l", folder]).status === 0);
    rmSync(folder, { recursive: true, force: true });
  });
  const { table, assign } = setUp(folder);
  const { ref, run } = assign();
  run.write("stdout", Buffer.from("output"));
  while (table.nextMessage() !== undefined);
  spawnSync("mount", ["-o", "remount,ro,force", folder]);
  const isReadOnly = spawnSync("touch", [join(folder, "x")]).status !== 0;
  // The files that are open for writing keep a remount from happening; the kernel does it by itself after an error.
  if (!isReadOnly) spawnSync("mount", ["--bind", "-o", "ro", folder, folder]);
  if (spawnSync("touch", [join(folder, "x")]).status === 0) return context.skip("stays writable");
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
  // As good as a disk that answers EIO.
  rmSync(join(folder, first));
  mkdirSync(join(folder, first));
  const healthy = assign();
  healthy.run.write("stdout", Buffer.from("hello"));
  await healthy.run.end(outcomeOf("completed", ""));
  await broken.run.end(outcomeOf("completed", ""));
  const heard: string[] = [];
  assert.doesNotThrow(() => {
    for (let next = table.nextMessage(); next !== undefined; next = table.nextMessage()) {
      if (next.type === "log_batch") heard.push(next.batch.ref.jobId);
    }
  });
  assert.ok(heard.includes(healthy.ref.jobId));
});
