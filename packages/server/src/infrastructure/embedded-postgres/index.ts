export type { PostgresConnection } from "./connection.ts";
export type { EmbeddedPostgresReason } from "./embedded-postgres-error.ts";
export type { EmbeddedPostgresLog, EmbeddedPostgresLogEntry } from "./log-entry.ts";
export type { PostgresSettings } from "./settings.ts";
export {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from "./start-embedded-postgres.ts";
