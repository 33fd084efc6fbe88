import assert from "node:assert/strict";
import { test } from "node:test";
import { applyAttemptEvent, type JobId } from "@hodei/domain";
import { after, anAttempt } from "../../builders.ts";
import { putAttempt } from "../put-attempt.ts";
import type { Open } from "./scene.ts";

export function testAttempts(open: Open): void {
  test("attempts come back as they were stored, oldest first", async (context) => {
    const { database } = await open(context);
    const first = anAttempt({ number: 1 });
    const second = anAttempt({ number: 2, assignedAt: after(5) });
    for (const attempt of [second, first]) await putAttempt(database, attempt);
    assert.deepEqual(await database.readers.attempts.list(first.jobId), [first, second]);
    assert.deepEqual(await database.readers.attempts.find(first.jobId, 2), second);
    assert.equal(await database.readers.attempts.find(first.jobId, 3), undefined);
    const unknown = "ffffffff-0000-7000-8000-000000000000" as JobId;
    assert.deepEqual(await database.readers.attempts.list(unknown), []);
  });

  test("every field that changes in an attempt's life is stored", async (context) => {
    const { database } = await open(context);
    const assigned = anAttempt();
    const started = applyAttemptEvent(assigned, { type: "started", at: after(1) });
    const failed = applyAttemptEvent(started, {
      type: "failed",
      at: after(2),
      outcome: { reason: "signal", exitCode: null, signal: "SIGSEGV", message: "crashed" },
      logBytes: 2 ** 40,
      processesLeft: 3,
      usage: { cpuMs: 1500, peakMemoryBytes: 2 ** 40, readBytes: 0, writtenBytes: 4096 },
    });
    for (const attempt of [assigned, started, failed]) {
      await putAttempt(database, attempt);
      await database.transact(async ({ attempts }) => {
        assert.deepEqual(await attempts.find(attempt.jobId, attempt.number), attempt);
      });
      assert.deepEqual(await database.readers.attempts.list(attempt.jobId), [attempt]);
    }
  });
}
