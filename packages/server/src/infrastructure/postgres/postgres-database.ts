import {
  type CommitListener,
  type Component,
  type Database,
  type InsertedJob,
  type Job,
  type JobChange,
  type NewJob,
  NO_QUEUE_LIMITS,
  PlatformError,
  type QueueLimits,
  type Readers,
  type Stores,
} from "@hodei/domain";
import type { Pool } from "pg";
import { PostgresAttemptReader, PostgresAttemptStore } from "./attempt-reader.ts";
import { createPool, type Planning, type PostgresAddress } from "./connection.ts";
import { PostgresDependencyReader, PostgresDependencyStore } from "./dependency-store.ts";
import { PostgresEventReader } from "./event-reader.ts";
import { JobChanger } from "./job-changer.ts";
import { JobInserter } from "./job-inserter.ts";
import { PostgresJobReader } from "./job-reader.ts";
import { PostgresJobStore } from "./job-store.ts";
import { PostgresJoinTokenStore } from "./join-token-store.ts";
import { PostgresLeadershipStore } from "./leadership-store.ts";
import { PostgresLimitReader, PostgresLimitStore } from "./limit-store.ts";
import { PostgresReplicaStore } from "./replica-store.ts";
import { poolSql, repeatingSql, type Transaction } from "./sql.ts";
import { PostgresSubscriptionStore } from "./subscription-store.ts";
import { transact } from "./transact.ts";
import { PostgresWorkerReader, PostgresWorkerStore } from "./worker-store.ts";

/** Connections of one database unless the options say otherwise; who needs one more waits for it. */
const DEFAULT_CONNECTIONS_MAX = 10;
/** The first version that is supported, as `server_version_num` counts. */
const SERVER_VERSION_MIN = 140_000;

export interface PostgresDatabaseOptions {
  readonly address: PostgresAddress;
  readonly onCommit: CommitListener;
  /** Default: 10. */
  readonly connectionsMax?: number;
  /** Default: `as_needed`. */
  readonly planning?: Planning;
  /** Default: none. */
  readonly queueLimits?: QueueLimits;
}

/** Durable state in PostgreSQL 14 or later, whose tables `migrate` has made. */
export class PostgresDatabase implements Database, Component {
  readonly readers: Readers;
  readonly #pool: Pool;
  readonly #inserter: JobInserter;
  readonly #changer: JobChanger;
  readonly #onCommit: CommitListener;
  readonly #queueLimits: QueueLimits;
  #stopped: Promise<void> | undefined;

  constructor(options: PostgresDatabaseOptions) {
    const { address, onCommit, connectionsMax, queueLimits = NO_QUEUE_LIMITS, planning } = options;
    this.#queueLimits = queueLimits;
    this.#pool = createPool(address, connectionsMax ?? DEFAULT_CONNECTIONS_MAX, planning);
    this.#inserter = new JobInserter({ pool: this.#pool, onCommit, queueLimits });
    this.#changer = new JobChanger({ pool: this.#pool, onCommit });
    this.#onCommit = onCommit;
    const sql = repeatingSql(this.#pool);
    this.readers = {
      jobs: new PostgresJobReader(sql),
      attempts: new PostgresAttemptReader(sql),
      workers: new PostgresWorkerReader(sql),
      limits: new PostgresLimitReader(sql),
      dependencies: new PostgresDependencyReader(sql),
      replicas: new PostgresReplicaStore(sql),
      events: new PostgresEventReader(sql),
      subscriptions: new PostgresSubscriptionStore(sql),
    };
  }

  /** @throws PlatformError `unavailable`; `failed_precondition` if the server is too old or refuses us */
  async start(): Promise<void> {
    const [row] = await poolSql(this.#pool).run<{ readonly version: number }>(
      { text: "select current_setting('server_version_num')::integer as version" },
      [],
    );
    if (row !== undefined && row.version >= SERVER_VERSION_MIN) return;
    throw new PlatformError(
      "failed_precondition",
      "database_too_old",
      `PostgreSQL 14 or later is needed; the server says it is ${row?.version}`,
    );
  }

  /** Resolves when what was under way has ended. */
  stop(): Promise<void> {
    this.#stopped ??= Promise.all([this.#inserter.idle(), this.#changer.idle()]).then(() =>
      this.#pool.end(),
    );
    return this.#stopped;
  }

  async transact<T>(work: (stores: Stores) => Promise<T>): Promise<T> {
    const { result, events } = await transact(this.#pool, (transaction) =>
      work(createStores(transaction, this.#queueLimits)),
    );
    if (events.length > 0) this.#onCommit(events);
    return result;
  }

  insertJobs(jobs: readonly NewJob[]): Promise<readonly InsertedJob[]> {
    return this.#inserter.insert(jobs);
  }

  changeJob(change: JobChange): Promise<Job | undefined> {
    return this.#changer.change(change);
  }
}

function createStores(transaction: Transaction, queueLimits: QueueLimits): Stores {
  return {
    jobs: new PostgresJobStore(transaction, queueLimits),
    attempts: new PostgresAttemptStore(transaction),
    workers: new PostgresWorkerStore(transaction),
    joinTokens: new PostgresJoinTokenStore(transaction),
    replicas: new PostgresReplicaStore(transaction),
    limits: new PostgresLimitStore(transaction),
    dependencies: new PostgresDependencyStore(transaction),
    leadership: new PostgresLeadershipStore(transaction),
    events: new PostgresEventReader(transaction),
    subscriptions: new PostgresSubscriptionStore(transaction),
  };
}
