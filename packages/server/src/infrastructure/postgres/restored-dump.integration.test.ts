import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { JobId, Logger, ReplicaId } from "@hodei/domain";
import { aNewJob, createTestDatabase, ManualClock, START, type TestDatabase } from "@hodei/testkit";
import { EventDelivery } from "../../application/deliver-events.ts";
import { PostgresDatabase } from "./postgres-database.ts";

/** A position of the cluster that the dump was made of: far beyond the transactions of a new one. */
const OLD_CURSOR = `${(5_000_000).toString(16).padStart(16, "0")}-${(9_000).toString(16).padStart(16, "0")}`;
const REPLICA = "99999999-0000-7000-8000-000000000001" as ReplicaId;

let postgres: TestDatabase;
let database: PostgresDatabase;

before(async () => {
  postgres = await createTestDatabase();
  database = new PostgresDatabase({ address: postgres.url, onCommit: () => undefined });
  // As `pg_dump` and `pg_restore` leave it.
  await database.transact(async ({ subscriptions }) => {
    const state = await subscriptions.lock("webhook");
    await subscriptions.save({ ...state, cursor: OLD_CURSOR });
  });
});

after(async () => {
  await database.stop();
  await postgres.drop();
});

test("after a dump was restored the webhook is told of what happens from then on", async () => {
  const received: string[] = [];
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const delivery = new EventDelivery(
    {
      database,
      clock: new ManualClock(),
      random: { next: () => 0.5 } as never,
      replicaId: REPLICA,
      log: log as unknown as Logger,
    },
    {
      name: "webhook",
      types: [],
      deliver: async ({ subjectId }) => {
        received.push(subjectId);
      },
    },
  );
  await delivery.run();
  const ids = [1, 2].map((number) => `00000000-0000-7000-8000-00000000000${number}` as JobId);
  for (const id of ids) {
    await database.insertJobs([aNewJob({ id, now: START })]);
    await delivery.run();
  }
  await delivery.run();
  assert.deepEqual(received, ids);
});

test("a client with a cursor of the old database gets what happened in the new one, once", async () => {
  const { events } = database.readers;
  const page = await events.list({ tenantId: null }, OLD_CURSOR, 10);
  assert.equal(page.events.length, 2);
  assert.ok(page.nextCursor < OLD_CURSOR, "and reads on behind it");
  assert.deepEqual((await events.list({ tenantId: null }, page.nextCursor, 10)).events, []);
});
