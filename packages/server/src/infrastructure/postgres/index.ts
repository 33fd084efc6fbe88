export type { PostgresAddress } from "./connection.ts";
export { type LeadershipOptions, PostgresLeadership } from "./leadership.ts";
export { logPartitions } from "./log-partitions.ts";
export { type LogStoreOptions, PostgresLogStore } from "./log-store.ts";
export { migrate } from "./migrate.ts";
export { type NotifierOptions, PostgresNotifier } from "./notifier.ts";
export { PostgresDatabase, type PostgresDatabaseOptions } from "./postgres-database.ts";
export { PostgresSecretStore, type SecretStoreOptions } from "./secret-store.ts";
export { type ReachabilityOptions, waitUntilReachable } from "./wait-until-reachable.ts";
