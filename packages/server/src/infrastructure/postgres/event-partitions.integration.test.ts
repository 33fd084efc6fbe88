import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { JobId } from "@hodei/domain";
import { aNewJob, createTestDatabase, type TestDatabase } from "@hodei/testkit";
import { eventPartitions } from "./event-partitions.ts";
import { PostgresDatabase } from "./postgres-database.ts";

const at = (text: string) => new Date(`${text}Z`);

let postgres: TestDatabase;
let database: PostgresDatabase;
let partitions: ReturnType<typeof eventPartitions>;

before(async () => {
  postgres = await createTestDatabase();
  database = new PostgresDatabase({ address: postgres.url, onCommit: () => undefined });
  partitions = eventPartitions(postgres.url);
});

after(async () => {
  await partitions.stop();
  await database.stop();
  await postgres.drop();
});

async function createdAt(now: Date, number: number): Promise<JobId> {
  const id = `00000000-0000-7000-8000-00000000000${number}` as JobId;
  await database.insertJobs([aNewJob({ id, now })]);
  return id;
}

test("events of several days come in one order, go by the day, and readers go on behind what is gone", async () => {
  const { events } = database.readers;
  const any = { tenantId: null };
  // Stored in another order than that of their days: clocks of servers differ.
  const second = await createdAt(at("2026-03-02T00:00"), 1);
  const first = await createdAt(at("2026-03-01T23:59"), 2);
  const third = await createdAt(at("2026-03-03T12:00"), 3);
  const all = await events.list(any, "", 10);
  assert.deepEqual(
    all.events.map(({ subjectId }) => subjectId),
    [second, first, third],
  );
  assert.deepEqual(await partitions.drop(at("2026-03-03T00:00")), [
    at("2026-03-01T00:00"),
    at("2026-03-02T00:00"),
  ]);
  const behind = all.events[0]?.cursor ?? "";
  const rest = await events.list(any, behind, 10);
  assert.deepEqual(
    rest.events.map(({ subjectId }) => subjectId),
    [third],
  );
  assert.equal(await events.latestCursor(), rest.nextCursor);
});

test("when the last day is gone too, a reader stands where it was", async () => {
  const { events } = database.readers;
  const latest = await events.latestCursor();
  await partitions.drop(at("2026-04-01T00:00"));
  const page = await events.list({ tenantId: null }, latest, 10);
  assert.deepEqual(page, { events: [], nextCursor: latest });
});
