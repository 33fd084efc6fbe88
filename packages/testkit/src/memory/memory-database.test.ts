import { type EventRecord, NO_QUEUE_LIMITS } from "@hodei/domain";
import { databaseContract } from "../contracts/database-contract.ts";
import { queueLimitsContract } from "../contracts/queue-limits-contract.ts";
import { MemoryDatabase } from "./memory-database.ts";

async function createFixture(queueLimits = NO_QUEUE_LIMITS) {
  const commits: (readonly EventRecord[])[] = [];
  const database = new MemoryDatabase({
    onCommit: (events) => commits.push(events),
    queueLimits,
  });
  return { database, commits, close: async () => undefined };
}

databaseContract("MemoryDatabase", () => createFixture());
queueLimitsContract("MemoryDatabase", createFixture);
