import { logStoreContract } from "../contracts/log-store-contract.ts";
import { MemoryDatabase } from "./memory-database.ts";
import { MemoryLogStore } from "./memory-log-store.ts";

logStoreContract("MemoryLogStore", async () => {
  const database = new MemoryDatabase({ onCommit: () => undefined });
  const logs = new MemoryLogStore({ database });
  return { logs, database, reopen: () => logs, close: async () => undefined };
});
