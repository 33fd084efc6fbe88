import pg, { type ClientConfig, type CustomTypesConfig, type Pool } from "pg";

/** Where a PostgreSQL server is (version 14 or later): a URL, or its parts. `host` may be the folder of a Unix socket. */
export type PostgresAddress =
  | string
  | {
      readonly host: string;
      readonly port: number;
      readonly database: string;
      readonly user: string;
      readonly password?: string;
    };

/** A connection attempt, or the wait for a free connection of the pool, fails as `unavailable` after this. */
const CONNECT_TIMEOUT_MS = 10_000;
/** A statement that takes longer is ended by the server and fails as `deadline_exceeded`. */
const STATEMENT_TIMEOUT_MS = 30_000;
/** A transaction whose owner falls silent is ended by the server, so that it does not hold locks and events back. */
const IDLE_TRANSACTION_TIMEOUT_MS = 60_000;
/** First probe of a connection that says nothing; later ones follow the operating system. */
const KEEPALIVE_AFTER_MS = 10_000;
/** A connection of a pool that nobody has used for this long is closed. */
const IDLE_CONNECTION_MS = 60_000;

const INT8 = 20;

/** Whole numbers as `number`: versions, offsets and counts stay far below 2^53. */
const types: CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: "text" | "binary") =>
    oid === INT8 && format !== "binary"
      ? Number
      : pg.types.getTypeParser(oid, format ?? "text")) as CustomTypesConfig["getTypeParser"],
};

/** Driver settings for one connection to `address`. Statements are sent without waiting for the answers before them. */
export function clientConfig(address: PostgresAddress): ClientConfig {
  return {
    ...(typeof address === "string" ? { connectionString: address } : address),
    application_name: "hodei",
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_TRANSACTION_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_AFTER_MS,
    pipeline: true,
    types,
  };
}

/** At most `connectionsMax` connections, made when they are needed; who needs one more waits for it. */
export function createPool(address: PostgresAddress, connectionsMax: number): Pool {
  const pool = new pg.Pool({
    ...clientConfig(address),
    max: connectionsMax,
    idleTimeoutMillis: IDLE_CONNECTION_MS,
  });
  // A connection that breaks while nobody waits for an answer: the next statement on it fails and says so, and the pool
  // forgets idle ones by itself. Without listeners the process would end.
  pool.on("error", () => undefined);
  pool.on("connect", (client) => client.on("error", () => undefined));
  return pool;
}
