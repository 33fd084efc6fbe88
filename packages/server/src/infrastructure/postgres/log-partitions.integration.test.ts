import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Attempt, applyAttemptEvent, outcomeOf } from "@hodei/domain";
import { anAttempt, createTestDatabase, putAttempt, type TestDatabase } from "@hodei/testkit";
import { logPartitions } from "./log-partitions.ts";
import { newLogStore } from "./log-store-fixtures.test.ts";
import { PostgresDatabase } from "./postgres-database.ts";

const at = (text: string) => new Date(`${text}Z`);

let postgres: TestDatabase;
let database: PostgresDatabase;
let logs: ReturnType<typeof newLogStore>;
let partitions: ReturnType<typeof logPartitions>;

before(async () => {
  postgres = await createTestDatabase();
  database = new PostgresDatabase({ address: postgres.url, onCommit: () => undefined });
  logs = newLogStore(postgres.url);
  partitions = logPartitions(postgres.url);
});

after(async () => {
  await partitions.stop();
  await logs.stop();
  await database.stop();
  await postgres.drop();
});

async function finish(running: Attempt, finishedAt: Date): Promise<void> {
  const outcome = outcomeOf("completed", "");
  const end = { outcome, logBytes: 4, processesLeft: 0, usage: null };
  const ended = applyAttemptEvent(running, { type: "succeeded", at: finishedAt, ...end });
  await putAttempt(database, ended);
}

test("a day of logs goes when the last of its attempts has ended long enough ago", async () => {
  const assigned = anAttempt({ assignedAt: at("2026-03-01T23:00") });
  const running = applyAttemptEvent(assigned, { type: "started", at: at("2026-03-01T23:01") });
  await putAttempt(database, running);
  const { jobId, number: attempt, leaseToken } = running;
  const ref = { jobId, attempt, leaseToken };
  const segment = {
    stream: "stdout",
    lengthBytes: 4,
    at: at("2026-03-09T00:00"),
    gap: null,
  } as const;
  const batch = {
    ref,
    data: Buffer.from("late"),
    compression: "none",
    segments: [segment],
  } as const;
  await logs.append([{ ...batch, offset: 0 }]);

  // It runs, for longer than logs are kept.
  assert.deepEqual(await partitions.drop(at("2026-03-08T00:00")), []);
  await finish(running, at("2026-03-09T12:00"));
  assert.deepEqual(await partitions.drop(at("2026-03-09T11:59")), []);
  assert.equal(await logs.durableOffset(jobId, attempt), 4);
  assert.deepEqual(await partitions.drop(at("2026-03-09T12:00")), [at("2026-03-01T00:00")]);
  assert.equal(await logs.durableOffset(jobId, attempt), 0);
});
