import { type EventRecord, invariant } from "@hodei/domain";
import type { Pool, PoolClient, QueryResult } from "pg";
import {
  databaseBusy,
  isConnectionLost,
  isUnreachable,
  toPlatformError,
} from "./postgres-error.ts";

/** Callers that may wait for a connection of one pool; further ones are refused as `unavailable`, reason `database_busy`. */
const WAITING_MAX = 2_000;

/** A statement with `$n` parameters. One with a name is prepared once per connection; a name has one text for ever. */
export interface Statement {
  readonly name?: string;
  readonly text: string;
}

/** Runs statements; what the driver throws comes out as `PlatformError`. */
export interface Sql {
  /** Rows as the driver makes them; `Row` is what the statement's text promises. */
  run<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<Row[]>;
}

/** Each statement on whichever connection is free. */
export function poolSql(pool: Pool): Sql {
  return {
    run: async (statement, values) => runOn(await connect(pool), statement, values),
  };
}

/**
 * For what may be done twice, such as reading: once more where the connection was lost under a statement, as the next one
 * may be sound. Not where none was to be had: the database is away then, and who waits for it has waited long enough.
 */
export function repeatingSql(pool: Pool): Sql {
  return {
    run: async (statement, values) => {
      const client = await connect(pool);
      try {
        return await runOn(client, statement, values);
      } catch (error) {
        if (!isUnreachable(error)) throw error;
        return runOn(await connect(pool), statement, values);
      }
    },
  };
}

/** Runs one statement and gives `client` back to its pool. */
async function runOn<Row extends object>(
  client: PoolClient,
  statement: Statement,
  values: readonly unknown[],
): Promise<Row[]> {
  let isLost = false;
  try {
    return (await client.query({ ...statement, values: [...values] })).rows;
  } catch (error) {
    const translated = toPlatformError(error);
    isLost = isConnectionLost(translated);
    throw translated;
  } finally {
    client.release(isLost);
  }
}

/** A connection of the pool, once one is free. @throws PlatformError `unavailable` */
export async function connect(pool: Pool): Promise<PoolClient> {
  checkWaiting(pool);
  try {
    return await pool.connect();
  } catch (error) {
    throw toPlatformError(error);
  }
}

function checkWaiting(pool: Pool): void {
  if (pool.waitingCount < WAITING_MAX) return;
  throw databaseBusy(`${WAITING_MAX} callers wait for a connection`);
}

/** One transaction on one connection. */
export class Transaction implements Sql {
  /** Events appended so far. */
  readonly events: EventRecord[] = [];
  readonly #client: PoolClient;
  #begun: Promise<QueryResult> | undefined;
  #ended = false;
  #isCutOff = false;

  constructor(client: PoolClient) {
    this.#client = client;
  }

  /** Whether the connection was lost before the commit was asked for, so that nothing is stored. */
  get isCutOff(): boolean {
    return this.#isCutOff;
  }

  /** Sends `begin` together with the first statement: a round trip less. */
  begin(): void {
    this.#begun = this.#client.query("begin");
    this.#begun.catch(() => undefined); // `commit` reports it
  }

  async run<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    invariant(!this.#ended, "a transaction's stores are used while it runs");
    try {
      return (await this.#client.query({ ...statement, values: [...values] })).rows;
    } catch (error) {
      const translated = toPlatformError(error);
      this.#isCutOff = isUnreachable(translated);
      throw translated;
    }
  }

  /** @throws PlatformError */
  async commit(): Promise<void> {
    this.#ended = true;
    this.#isCutOff = false;
    const committed = await Promise.all([this.#client.query("commit"), this.#begun]).then(
      ([{ command }]) => command === "COMMIT",
      (error) => {
        throw toPlatformError(error);
      },
    );
    invariant(committed, "whoever catches the error of a statement lets it end the transaction");
  }

  /** @throws PlatformError if the connection is lost; the server rolls back by itself then */
  async rollback(): Promise<void> {
    this.#ended = true;
    try {
      await this.#client.query("rollback");
    } catch (error) {
      throw toPlatformError(error);
    }
  }
}
