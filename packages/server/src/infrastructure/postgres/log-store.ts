import {
  type AppendResult,
  type Component,
  countLines,
  type JobId,
  type LogBatch,
  type LogPage,
  type LogPlace,
  type LogPlaceQuery,
  type LogRange,
  type LogStore,
} from "@hodei/domain";
import type { Pool } from "pg";
import { appendLogs, type CheckedBatch } from "./append-logs.ts";
import { createPool, type PostgresAddress } from "./connection.ts";
import { GroupCommit } from "./group-commit.ts";
import { plainData } from "./log-data.ts";
import { findPlace } from "./log-index.ts";
import { durableOffset, readLog } from "./log-reader.ts";
import { poolSql, type Sql } from "./sql.ts";
import { transact } from "./transact.ts";

/** One for appends; the others for readers, who wait for one when there are more. */
const DEFAULT_CONNECTIONS_MAX = 4;
/** Bytes of one transaction, unless a single call brings more. */
const FLUSH_BYTES_MAX = 4 * 1024 * 1024;
/** Bytes that wait for a flush. */
const WAITING_BYTES_MAX = 64 * 1024 * 1024;

export interface LogStoreOptions {
  readonly address: PostgresAddress;
  /** Default: 4. */
  readonly connectionsMax?: number;
}

/**
 * Logs in PostgreSQL, fenced by its attempts. On connections of its own, so that much log and slow readers do not hold up
 * state. Appends that come together share a commit; one transaction is under way at a time, which keeps their order.
 */
export class PostgresLogStore implements LogStore, Component {
  readonly #pool: Pool;
  readonly #sql: Sql;
  readonly #appends: GroupCommit<readonly CheckedBatch[], readonly AppendResult[]>;
  #stopped: Promise<void> | undefined;

  constructor({ address, connectionsMax = DEFAULT_CONNECTIONS_MAX }: LogStoreOptions) {
    this.#pool = createPool(address, connectionsMax);
    this.#sql = poolSql(this.#pool);
    this.#appends = new GroupCommit({
      what: "log batches",
      flushesInFlightMax: 1,
      waitingSizeMax: WAITING_BYTES_MAX,
      sizeOf: dataBytes,
      fit: (calls) => dataBytes(calls.flat()) <= FLUSH_BYTES_MAX,
      store: (calls) => this.#store(calls),
    });
  }

  /** Connections are made when they are needed. */
  async start(): Promise<void> {}

  /** Resolves when what was under way has ended. */
  stop(): Promise<void> {
    this.#stopped ??= this.#appends.idle().then(() => this.#pool.end());
    return this.#stopped;
  }

  async append(batches: readonly LogBatch[]): Promise<readonly AppendResult[]> {
    const checked = batches.map((batch) => {
      const data = plainData(batch);
      return { batch, lines: countLines(data, batch.segments) };
    });
    return checked.length === 0 ? [] : this.#appends.submit(checked);
  }

  read(range: LogRange): Promise<LogPage> {
    return readLog(this.#sql, range);
  }

  durableOffset(jobId: JobId, attempt: number): Promise<number> {
    return durableOffset(this.#sql, jobId, attempt);
  }

  findPlace(query: LogPlaceQuery): Promise<LogPlace> {
    return findPlace(this.#sql, query);
  }

  async #store(
    calls: readonly (readonly CheckedBatch[])[],
  ): Promise<readonly (readonly AppendResult[])[]> {
    const { result } = await transact(this.#pool, (sql) => appendLogs(sql, calls.flat()));
    let end = 0;
    return calls.map(({ length }) => {
      end += length;
      return result.slice(end - length, end);
    });
  }
}

function dataBytes(batches: readonly CheckedBatch[]): number {
  return batches.reduce((sum, { batch }) => sum + batch.data.length, 0);
}
