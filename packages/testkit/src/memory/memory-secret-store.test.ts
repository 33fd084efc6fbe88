import type { EventRecord } from "@hodei/domain";
import { secretStoreContract } from "../contracts/secret-store-contract.ts";
import { MemorySecretStore } from "./memory-secret-store.ts";

secretStoreContract("MemorySecretStore", async () => {
  const events: EventRecord[] = [];
  const secrets = new MemorySecretStore({ onCommit: (committed) => events.push(...committed) });
  return { secrets, events, close: async () => {} };
});
