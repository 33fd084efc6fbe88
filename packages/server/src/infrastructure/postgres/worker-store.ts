import {
  type Cause,
  type Page,
  type PageRequest,
  PlatformError,
  type ReplicaId,
  type TenantId,
  type Worker,
  type WorkerEvent,
  type WorkerFacts,
  type WorkerId,
  type WorkerReader,
  type WorkerState,
  type WorkerStore,
  workerEventRecords,
} from "@hodei/domain";
import { insertEventsFrom, toEventsJson } from "./append-events.ts";
import { parsePageToken, toPage } from "./page-token.ts";
import type { Sql, Statement, Transaction } from "./sql.ts";
import { staleVersion } from "./stale-version.ts";

interface WorkerRow {
  readonly id: string;
  readonly tenant_id: string;
  readonly pool: string;
  readonly provider: string;
  readonly state: WorkerState;
  readonly version: number;
  readonly facts: WorkerFacts | null;
  readonly replica_id: string | null;
  readonly created_at: Date;
  readonly connected_at: Date | null;
  readonly connect_by: Date | null;
  readonly drain_requested_at: Date | null;
  readonly terminated_at: Date | null;
}

// biome-ignore format: reads better in groups
const COLUMNS = [
  "id", "tenant_id", "pool", "provider", "state", "version", "facts", "replica_id",
  "created_at", "connected_at", "connect_by", "drain_requested_at", "terminated_at",
] as const satisfies readonly (keyof WorkerRow)[];

const SELECT_WORKER = `select ${COLUMNS.join(", ")} from worker`;

const FIND: Statement = { name: "worker_find", text: `${SELECT_WORKER} where id = $1` };

const LOCK: Statement = {
  name: "worker_lock",
  text: `${SELECT_WORKER} where id = $1 for no key update`,
};

const LOCK_ALL: Statement = {
  name: "worker_lock_all",
  text: `${SELECT_WORKER} where id = any($1::uuid[]) order by id for no key update`,
};

const LIST: Statement = {
  name: "worker_list",
  text: `
    ${SELECT_WORKER}
    where tenant_id = $1
      and (cardinality($2::text[]) = 0 or state = any($2))
      and ($3::timestamptz is null or (created_at, id) < ($3, $4::uuid))
    order by created_at desc, id desc
    limit $5`,
};

const LIST_LIVE: Statement = {
  name: "worker_list_live",
  text: `${SELECT_WORKER} where state <> 'terminated' order by id`,
};

const FIND_LIVE: Statement = {
  name: "worker_find_live",
  text: `${SELECT_WORKER} where state <> 'terminated' and id = any($1::uuid[])`,
};

const LIST_NEWEST: Statement = {
  name: "worker_list_newest",
  text: `
    ${SELECT_WORKER}
    where pool = $1 and provider = $2
    order by created_at desc, id desc
    limit $3`,
};

const INSERT: Statement = {
  name: "worker_insert",
  text: `
    with inserted as (
      insert into worker (${COLUMNS.join(", ")})
      values (${COLUMNS.map((_, index) => `$${index + 2}`).join(", ")})
    )
    ${insertEventsFrom("$1")}`,
};

/** `$1` events, `$2` expected version, then every column. */
const UPDATE: Statement = {
  name: "worker_update",
  text: `
    with updated as (
      update worker set ${COLUMNS.map((column, index) => `${column} = $${index + 3}`).join(", ")}
      where id = $3 and version = $2
      returning id
    ), appended as (
      ${insertEventsFrom("$1")} cross join updated
    )
    select id from updated`,
};

export class PostgresWorkerReader implements WorkerReader {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  async get(id: WorkerId): Promise<Worker> {
    return (await this.find(id)) ?? workerNotFound(id);
  }

  async find(id: WorkerId): Promise<Worker | undefined> {
    const [row] = await this.#sql.run<WorkerRow>(FIND, [id]);
    return row && fromRow(row);
  }

  async list(
    filter: { readonly tenantId: TenantId; readonly states: readonly WorkerState[] },
    { limit, token }: PageRequest,
  ): Promise<Page<Worker>> {
    const last = token === null ? undefined : parsePageToken(token);
    const values = [filter.tenantId, filter.states, last?.createdAt, last?.id, limit + 1];
    return toPage((await this.#sql.run<WorkerRow>(LIST, values)).map(fromRow), limit);
  }

  async listLive(): Promise<readonly Worker[]> {
    return (await this.#sql.run<WorkerRow>(LIST_LIVE, [])).map(fromRow);
  }

  async findLive(ids: readonly WorkerId[]): Promise<readonly Worker[]> {
    return (await this.#sql.run<WorkerRow>(FIND_LIVE, [ids])).map(fromRow);
  }

  async listNewest(
    { name, provider }: { readonly name: string; readonly provider: string },
    limit: number,
  ): Promise<readonly Worker[]> {
    return (await this.#sql.run<WorkerRow>(LIST_NEWEST, [name, provider, limit])).map(fromRow);
  }
}

export class PostgresWorkerStore extends PostgresWorkerReader implements WorkerStore {
  readonly #transaction: Transaction;

  constructor(transaction: Transaction) {
    super(transaction);
    this.#transaction = transaction;
  }

  async lock(id: WorkerId): Promise<Worker> {
    const [row] = await this.#transaction.run<WorkerRow>(LOCK, [id]);
    return row === undefined ? workerNotFound(id) : fromRow(row);
  }

  async lockAll(ids: readonly WorkerId[]): Promise<readonly Worker[]> {
    return (await this.#transaction.run<WorkerRow>(LOCK_ALL, [ids])).map(fromRow);
  }

  async insert(worker: Worker, causedBy: Cause): Promise<void> {
    const created: WorkerEvent = { type: "created", at: worker.createdAt, causedBy };
    const records = workerEventRecords(worker, [created]);
    await this.#transaction.run(INSERT, [toEventsJson(records), ...toValues(worker)]);
    this.#transaction.events.push(...records);
  }

  async update(worker: Worker, events: readonly WorkerEvent[]): Promise<Worker> {
    const stored: Worker = { ...worker, version: worker.version + 1 };
    const records = workerEventRecords(stored, events);
    const values = [toEventsJson(records), worker.version, ...toValues(stored)];
    if ((await this.#transaction.run(UPDATE, values)).length === 0) {
      throw staleVersion("worker", worker);
    }
    this.#transaction.events.push(...records);
    return stored;
  }
}

export function workerNotFound(id: WorkerId): never {
  throw new PlatformError("not_found", "worker_not_found", `no worker ${id}`);
}

/** In the order of `COLUMNS`. */
function toValues(worker: Worker): unknown[] {
  const row: WorkerRow = {
    id: worker.id,
    tenant_id: worker.tenantId,
    pool: worker.pool,
    provider: worker.provider,
    state: worker.state,
    version: worker.version,
    facts: worker.facts,
    replica_id: worker.replicaId,
    created_at: worker.createdAt,
    connected_at: worker.connectedAt,
    connect_by: worker.connectBy,
    drain_requested_at: worker.drainRequestedAt,
    terminated_at: worker.terminatedAt,
  };
  return COLUMNS.map((column) => row[column]);
}

function fromRow(row: WorkerRow): Worker {
  return {
    id: row.id as WorkerId,
    tenantId: row.tenant_id as TenantId,
    pool: row.pool,
    provider: row.provider,
    state: row.state,
    version: row.version,
    facts: row.facts,
    replicaId: row.replica_id as ReplicaId | null,
    createdAt: row.created_at,
    connectedAt: row.connected_at,
    connectBy: row.connect_by,
    drainRequestedAt: row.drain_requested_at,
    terminatedAt: row.terminated_at,
  };
}
