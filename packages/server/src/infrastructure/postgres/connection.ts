import type { Socket } from "node:net";
import pg, { type ClientConfig, type CustomTypesConfig, type Pool } from "pg";

/** Where a PostgreSQL server is (version 14 or later): a URL, or its parts. `host` may be the folder of a Unix socket. */
export type PostgresAddress =
  | string
  | ((
      | { readonly connectionString: string }
      | {
          readonly host: string;
          readonly port: number;
          readonly database: string;
          readonly user: string;
          readonly password?: string;
        }
    ) & {
      /** Makes the socket of each connection; by default the driver does. */
      readonly stream?: () => Socket;
    });

/**
 * A connection attempt fails as `unavailable` after this. Short: while a failover is under way attempts lead nowhere, and
 * the next one may already find the new server.
 */
const CONNECT_TIMEOUT_MS = 3_000;
/** Who waits for a connection of the pool for this long fails as `unavailable`. */
const POOL_WAIT_TIMEOUT_MS = 10_000;
/** A statement that takes longer is ended by the server and fails as `deadline_exceeded`. */
const STATEMENT_TIMEOUT_MS = 30_000;
/** Without an answer for this long, not even that of the time-out above, the server is gone: `unavailable`. */
const ANSWER_TIMEOUT_MS = STATEMENT_TIMEOUT_MS + 5_000;
/**
 * A transaction whose owner falls silent is ended by the server, so that it does not hold locks and events back: what a
 * server that was cut off held is free again before another one has taken its lead.
 */
const IDLE_TRANSACTION_TIMEOUT_MS = 5_000;
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

/**
 * How named statements are planned. `once`: for each connection, whatever their values: right for what comes a hundred times a
 * second and finds its rows by an index. `as_needed`: PostgreSQL decides, and plans most of ours anew each time, which
 * costs up to twice what it takes to run them; right for lists, where the limit and the filters decide.
 */
export type Planning = "once" | "as_needed";

/** At most `connectionsMax` connections, made when they are needed; who needs one more waits for it. */
export function createPool(
  address: PostgresAddress,
  connectionsMax: number,
  planning: Planning = "as_needed",
): Pool {
  const config = {
    ...clientConfig(address),
    ...(planning === "once" && { options: "-c plan_cache_mode=force_generic_plan" }),
  };
  const pool = new pg.Pool({
    ...config,
    max: connectionsMax,
    idleTimeoutMillis: IDLE_CONNECTION_MS,
    query_timeout: ANSWER_TIMEOUT_MS,
    // The pool has one time-out for both, the wait for a connection and the attempt to make one.
    connectionTimeoutMillis: POOL_WAIT_TIMEOUT_MS,
    Client: class extends pg.Client {
      constructor() {
        super({ ...config, query_timeout: ANSWER_TIMEOUT_MS });
      }
    },
  });
  // A connection that breaks while nobody waits for an answer: the next statement on it fails and says so, and the pool
  // forgets idle ones by itself. Without listeners the process would end.
  pool.on("error", () => undefined);
  pool.on("connect", (client) => client.on("error", () => undefined));
  return pool;
}
