import { type EventRecord, invariant } from "@hodei/domain";
import type { Pool, PoolClient, QueryResult } from "pg";
import { toPlatformError } from "./postgres-error.ts";

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
    run: async (statement, values) => {
      try {
        return (await pool.query({ ...statement, values: [...values] })).rows;
      } catch (error) {
        throw toPlatformError(error);
      }
    },
  };
}

/** One transaction on one connection. */
export class Transaction implements Sql {
  /** Events appended so far. */
  readonly events: EventRecord[] = [];
  readonly #client: PoolClient;
  #begun: Promise<QueryResult> | undefined;
  #ended = false;

  constructor(client: PoolClient) {
    this.#client = client;
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
      throw toPlatformError(error);
    }
  }

  /** @throws PlatformError */
  async commit(): Promise<void> {
    this.#ended = true;
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
