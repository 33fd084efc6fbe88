export {
  anyAttemptEvent,
  anyConstraint,
  anyDate,
  anyExitReason,
  anyJobEvent,
  anyJobSpec,
  anyOutcome,
  anyPlacementTerms,
  anyRequirements,
  anyRetryPolicy,
  anyText,
  anyWorkerEvent,
  anyWorkerFacts,
} from "./arbitraries.ts";
export {
  after,
  aJob,
  aJobSpec,
  aNewJob,
  anAttempt,
  aPool,
  aWorker,
  START,
  someWorkerFacts,
} from "./builders.ts";
export type { DatabaseFixture } from "./contracts/database/scene.ts";
export { concurrentDatabaseContract, databaseContract } from "./contracts/database-contract.ts";
export type { LogStoreFixture } from "./contracts/log-store/log-scene.ts";
export { logStoreContract } from "./contracts/log-store-contract.ts";
export {
  type ProviderFixture,
  providerContract,
  provisionRequest,
} from "./contracts/provider-contract.ts";
export { putAttempt } from "./contracts/put-attempt.ts";
export { queueLimitsContract } from "./contracts/queue-limits-contract.ts";
export { type SecretStoreFixture, secretStoreContract } from "./contracts/secret-store-contract.ts";
export { FakeProvider, type FakeProviderOptions } from "./fake-provider.ts";
export { Link, type Target } from "./link.ts";
export { ManualClock } from "./manual-clock.ts";
export { MemoryDatabase } from "./memory/memory-database.ts";
export { MemoryLogStore } from "./memory/memory-log-store.ts";
export { MemorySecretStore } from "./memory/memory-secret-store.ts";
export { type LinkedDatabase, linkDatabase } from "./postgres/linked-database.ts";
export {
  createTestDatabase,
  startTestPostgres,
  type TestDatabase,
  type TestPostgres,
} from "./postgres/test-postgres.ts";
export { SequenceIds } from "./sequence-ids.ts";
export { temporaryFolder } from "./temporary-folder.ts";
export { type WaitOptions, waitFor } from "./wait-for.ts";
