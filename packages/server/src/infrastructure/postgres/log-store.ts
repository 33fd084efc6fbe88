import {
  type AppendResult,
  type Clock,
  type Component,
  countLines,
  type JobId,
  type LogBatch,
  type LogPage,
  type LogPlace,
  type LogPlaceQuery,
  type LogRange,
  type LogStore,
  type TenantId,
} from "@hodei/domain";
import type { Pool } from "pg";
import { appendLogs, type CheckedBatch } from "./append-logs.ts";
import { createPool, type PostgresAddress } from "./connection.ts";
import { GroupCommit } from "./group-commit.ts";
import { plainData } from "./log-data.ts";
import { findPlace } from "./log-index.ts";
import { durableOffset, readLog } from "./log-reader.ts";
import { repeatingSql, type Sql } from "./sql.ts";
import { transact } from "./transact.ts";

/** For readers, who wait for one when there are more. */
const DEFAULT_CONNECTIONS_MAX = 3;
/** One for appends; the other to find out where a worker is to go on, which its session waits for. */
const OWN_CONNECTIONS_MAX = 2;
/** Bytes of one transaction, unless a single call brings more. */
const FLUSH_BYTES_MAX = 4 * 1024 * 1024;
/** Bytes that wait for a flush. */
const WAITING_BYTES_MAX = 64 * 1024 * 1024;
/** Who is refused opens its session anew and sends it again. */
const WAIT_MAX_MS = 30_000;

export interface LogStoreOptions {
  readonly address: PostgresAddress;
  readonly clock: Pick<Clock, "now">;
  /** Bytes that one tenant may store on one day of UTC, compressed as they are; what is beyond is left out and counted. */
  readonly tenantBytesPerDay: number;
  /** Told once for each tenant and day. Must not throw. */
  readonly onTenantLimit: (tenantId: TenantId) => void;
  /** For readers. Default: 3. */
  readonly connectionsMax?: number;
}

/**
 * Logs in PostgreSQL, fenced by its attempts. On connections of its own, so that much log and slow readers do not hold up
 * state; readers have theirs apart, so that they do not hold up workers. Appends that come together share a commit; one transaction is under way at a time, which keeps their order.
 */
export class PostgresLogStore implements LogStore, Component {
  readonly #pool: Pool;
  readonly #readerPool: Pool;
  readonly #sql: Sql;
  readonly #readerSql: Sql;
  readonly #appends: GroupCommit<readonly CheckedBatch[], readonly AppendResult[]>;
  readonly #options: LogStoreOptions;
  /** Tenants that were told about, and of which day. */
  #limited = { day: "", tenants: new Set<string>() };
  #stopped: Promise<void> | undefined;

  constructor(options: LogStoreOptions) {
    const { address, connectionsMax = DEFAULT_CONNECTIONS_MAX } = options;
    this.#options = options;
    this.#pool = createPool(address, OWN_CONNECTIONS_MAX, "once");
    this.#readerPool = createPool(address, connectionsMax);
    this.#sql = repeatingSql(this.#pool);
    this.#readerSql = repeatingSql(this.#readerPool);
    this.#appends = new GroupCommit({
      what: "log batches",
      flushesInFlightMax: 1,
      waitingSizeMax: WAITING_BYTES_MAX,
      waitMaxMs: WAIT_MAX_MS,
      sizeOf: dataBytes,
      fit: (calls) => dataBytes(calls.flat()) <= FLUSH_BYTES_MAX,
      store: (calls) => this.#store(calls),
    });
  }

  /** Connections are made when they are needed. */
  async start(): Promise<void> {}

  /** Resolves when what was under way has ended. */
  stop(): Promise<void> {
    this.#stopped ??= this.#close();
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
    return readLog(this.#readerSql, range);
  }

  durableOffset(jobId: JobId, attempt: number): Promise<number> {
    return durableOffset(this.#sql, jobId, attempt);
  }

  findPlace(query: LogPlaceQuery): Promise<LogPlace> {
    return findPlace(this.#readerSql, query);
  }

  async #close(): Promise<void> {
    await this.#appends.idle();
    await Promise.all([this.#pool.end(), this.#readerPool.end()]);
  }

  async #store(
    calls: readonly (readonly CheckedBatch[])[],
  ): Promise<readonly (readonly AppendResult[])[]> {
    const { clock, tenantBytesPerDay } = this.#options;
    const limits = { day: clock.now().toISOString().slice(0, 10), tenantBytesPerDay };
    const { result } = await transact(this.#pool, (sql) => appendLogs(sql, calls.flat(), limits));
    this.#tellLimits(limits.day, result.limitedTenants);
    let end = 0;
    return calls.map(({ length }) => {
      end += length;
      return result.results.slice(end - length, end);
    });
  }

  #tellLimits(day: string, limitedTenants: ReadonlySet<string>): void {
    if (this.#limited.day !== day) this.#limited = { day, tenants: new Set() };
    for (const tenantId of limitedTenants) {
      if (this.#limited.tenants.has(tenantId)) continue;
      this.#limited.tenants.add(tenantId);
      this.#options.onTenantLimit(tenantId as TenantId);
    }
  }
}

function dataBytes(batches: readonly CheckedBatch[]): number {
  return batches.reduce((sum, { batch }) => sum + batch.data.length, 0);
}
