import type { EventRecord } from "@hodei/domain";
import { databaseContract } from "../contracts/database-contract.ts";
import { MemoryDatabase } from "./memory-database.ts";

databaseContract("MemoryDatabase", async () => {
  const commits: (readonly EventRecord[])[] = [];
  const database = new MemoryDatabase({ onCommit: (events) => commits.push(events) });
  return { database, commits, close: async () => undefined };
});
