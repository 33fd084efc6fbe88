import assert from "node:assert/strict";
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { type AttemptReport, outcomeOf } from "@hodei/domain";
import { newRef } from "../../test/attempt-fixture.ts";
import { openSpool } from "../../test/temporary-spool.ts";
import { AttemptLog } from "../attempt-log.ts";
import { type AttemptSpool, spoolFileName } from "./attempt-spool.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hodei-spool-test-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function logOn(spool: AttemptSpool): AttemptLog {
  const limitBytes = Number.POSITIVE_INFINITY;
  const fail = (error: unknown) => assert.fail(String(error));
  return new AttemptLog({ spool, limitBytes, onDropped: fail, onSpoolError: fail });
}

const write = (log: AttemptLog, text: string) =>
  log.append("stdout", Buffer.from(text), new Date(0));

/** All of a log that is not acked. */
function textOf(log: AttemptLog): string {
  let text = "";
  for (let piece = log.take(1_000, 100); piece !== undefined; piece = log.take(1_000, 100)) {
    text += Buffer.from(piece.data).toString();
  }
  return text;
}

function reportOf(ref: AttemptReport["ref"]): AttemptReport {
  const outcome = outcomeOf("completed", "");
  return { ref, outcome, logBytes: 3, processesLeft: 0, usage: null };
}

test("a later worker finds logs and results, in as many files as there are", async () => {
  const spool = openSpool(folder, { attemptMaxBytes: 65_536 });
  const [first, second] = [newRef(), newRef()];
  const long = logOn(spool.create(first));
  for (let line = 0; line < 1_000; line += 1) write(long, `${line}`.padEnd(30));
  const short = logOn(spool.create(second));
  write(short, "abc");
  short.saveReport(reportOf(second));
  assert.ok(readdirSync(folder).length > 2);

  const found = await openSpool(folder).findLeft();
  const byJob = new Map(found.map((attempt) => [attempt.ref.jobId, attempt]));
  const [one, two] = [byJob.get(first.jobId), byJob.get(second.jobId)];
  assert.ok(one !== undefined && two !== undefined && found.length === 2);
  assert.deepEqual([one.ref, two.ref], [first, second]);
  assert.equal(one.report, undefined);
  const { ref: _, ...report } = reportOf(second);
  assert.deepEqual(two.report, report);
  assert.equal(textOf(logOn(one.spool)).length, 30_000);
  assert.equal(textOf(logOn(two.spool)), "abc");
});

test("acked log is gone, a result stays until it is removed", async () => {
  const spool = openSpool(folder);
  const ref = newRef();
  const log = logOn(spool.create(ref));
  write(log, "abc");
  log.take(10, 10);
  log.ack(3);
  assert.deepEqual(readdirSync(folder), []);
  assert.equal(spool.budget.usedBytes, 0);
  write(log, "d");
  log.saveReport(reportOf(ref));
  log.take(10, 10);
  log.ack(4);
  assert.equal((await openSpool(folder).findLeft()).length, 1);
  log.remove();
  assert.deepEqual(readdirSync(folder), []);
  assert.equal(spool.budget.usedBytes, 0);
});

test("a record that was cut short by a kill ends the log before it", async () => {
  const ref = newRef();
  const log = logOn(openSpool(folder).create(ref));
  write(log, "whole");
  const path = join(folder, spoolFileName(ref, 0));
  const wholeBytes = readFileSync(path).length;
  write(log, "cut short");
  const bytes = readFileSync(path);
  for (const lengthBytes of [wholeBytes, wholeBytes + 5, bytes.length - 1]) {
    writeFileSync(path, bytes.subarray(0, lengthBytes));
    const [left] = await openSpool(folder).findLeft();
    assert.ok(left !== undefined);
    const found = logOn(left.spool);
    assert.equal(textOf(found), "whole");
    // The worker goes on behind it.
    left.spool.saveReport(reportOf(ref));
    const [again] = await openSpool(folder).findLeft();
    assert.equal(again?.report?.logBytes, 3);
  }
});

test("what is no spool file, or stands after a hole, is removed", async () => {
  const ref = newRef();
  write(logOn(openSpool(folder).create(ref)), "abc");
  writeFileSync(join(folder, "notes.txt"), "?");
  writeFileSync(join(folder, spoolFileName(newRef(), 0)), "");
  const whole = readFileSync(join(folder, spoolFileName(ref, 0)));
  writeFileSync(join(folder, spoolFileName(ref, 100)), whole);
  const zeros = Buffer.alloc(100);
  appendFileSync(join(folder, spoolFileName(ref, 0)), zeros);
  const found = await openSpool(folder).findLeft();
  assert.deepEqual(readdirSync(folder), [spoolFileName(ref, 0)]);
  assert.deepEqual(
    found.map(({ spool }) => textOf(logOn(spool))),
    ["abc"],
  );
});
