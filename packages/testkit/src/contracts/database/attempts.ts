import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Attempt,
  applyAttemptEvent,
  type ExitReason,
  type JobId,
  outcomeOf,
  type WorkerId,
} from "@hodei/domain";
import { after, anAttempt } from "../../builders.ts";
import { putAttempt } from "../put-attempt.ts";
import type { Open } from "./scene.ts";

const SECOND_WORKER = "0199b800-0000-7000-8000-0000000000aa" as WorkerId;

export function testAttempts(open: Open): void {
  testAttemptRows(open);
  testTallies(open);
}

function testAttemptRows(open: Open): void {
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

function testTallies(open: Open): void {
  test("attempts are counted by worker: faults, starts, last assignment, those that ended in time", async (context) => {
    const { database } = await open(context);
    const { readers } = database;
    assert.deepEqual(await readers.attempts.tally(after(0), after(99)), []);
    const [busy, idle] = [SECOND_WORKER, anAttempt().workerId];
    const end = async (number: number, reason: ExitReason, parts: Partial<Attempt>) => {
      const state = reason === "worker_lost" ? "lost" : "failed";
      await putAttempt(
        database,
        anAttempt({ number, state, outcome: outcomeOf(reason, ""), ...parts }),
      );
    };
    const on = { workerId: busy, assignedAt: after(10) };
    await end(1, "non_zero_exit", { ...on, startedAt: after(20), finishedAt: after(40) });
    await end(2, "spawn_failed", { ...on, startedAt: after(40), finishedAt: after(50) });
    await end(3, "worker_lost", { ...on, finishedAt: after(60) });
    await end(4, "disk_full", { ...on, startedAt: after(11), finishedAt: after(61) });
    await end(5, "disk_full", { ...on, startedAt: after(11), finishedAt: after(39) });
    await putAttempt(database, anAttempt({ number: 6, assignedAt: after(70), workerId: idle }));
    const tallies = await readers.attempts.tally(after(39), after(60));
    assert.deepEqual(
      tallies.toSorted((a, b) => a.lastAssignedAt.getTime() - b.lastAssignedAt.getTime()),
      [
        {
          workerId: busy,
          lastAssignedAt: after(10),
          endedCount: 3,
          faultCount: 2,
          startedCount: 2,
          startMs: 20,
        },
        {
          workerId: idle,
          lastAssignedAt: after(70),
          endedCount: 0,
          faultCount: 0,
          startedCount: 0,
          startMs: null,
        },
      ],
    );
  });

  test("attempts of jobs that have moved are not counted", async (context) => {
    const scene = await open(context);
    await scene.succeededJob();
    const count = async () =>
      (await scene.database.readers.attempts.tally(after(0), after(9))).length;
    assert.equal(await count(), 1);
    assert.equal(
      await scene.database.transact(({ jobs }) => jobs.moveFinished(after(3), 9, () => after(9))),
      1,
    );
    assert.equal(await count(), 0);
  });
}
