import { after, before } from "node:test";
import { type EventRecord, NO_QUEUE_LIMITS } from "@hodei/domain";
import {
  concurrentDatabaseContract,
  type DatabaseFixture,
  databaseContract,
  queueLimitsContract,
  startTestPostgres,
  type TestPostgres,
} from "@hodei/testkit";
import { PostgresDatabase } from "./postgres-database.ts";

let postgres: TestPostgres;
before(async () => {
  postgres = await startTestPostgres();
});
after(() => postgres.stop());

async function createFixture(queueLimits = NO_QUEUE_LIMITS): Promise<DatabaseFixture> {
  const { url, drop } = await postgres.createDatabase();
  const commits: (readonly EventRecord[])[] = [];
  const database = new PostgresDatabase({
    address: url,
    onCommit: (events) => commits.push(events),
    queueLimits,
  });
  await database.start();
  const close = async () => {
    await database.stop();
    await drop();
  };
  return { database, commits, close };
}

databaseContract("PostgresDatabase", () => createFixture());
concurrentDatabaseContract("PostgresDatabase", () => createFixture());
queueLimitsContract("PostgresDatabase", createFixture);
