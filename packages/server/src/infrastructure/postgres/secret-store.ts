import {
  type CommitListener,
  type Component,
  checkSecret,
  invariant,
  type MasterKey,
  type NewSecretValue,
  type Page,
  type PageRequest,
  PlatformError,
  type Secret,
  type SecretChange,
  type SecretStore,
  secretEventRecord,
  type TenantId,
} from "@hodei/domain";
import type { Pool } from "pg";
import { type Envelope, seal, unseal } from "../secrets/envelope.ts";
import { insertEventsFrom, toEventsJson } from "./append-events.ts";
import { createPool, type PostgresAddress } from "./connection.ts";
import { type OpenMasterKey, proveMasterKey } from "./master-key-proof.ts";
import { poolSql, type Sql, type Statement, type Transaction } from "./sql.ts";
import { transact } from "./transact.ts";

/** Who needs one more waits for it. */
const DEFAULT_CONNECTIONS_MAX = 2;
/** Each failed try means that somebody else has set the same secret. */
const SET_TRIES_MAX = 100;

const FIND_VERSION: Statement = {
  name: "secret_find_version",
  text: "select version from secret where tenant_id = $1 and name = $2",
};

/** Stores version `$3`; nothing if that is not the next one any more. */
const SET: Statement = {
  name: "secret_set",
  text: `
    insert into secret as s
      (tenant_id, name, version, created_at, updated_at, wrapped_key, sealed_value)
    values ($1, $2, $3, $4, $4, $5, $6)
    on conflict (tenant_id, name) do update
    set version = excluded.version, updated_at = excluded.updated_at,
      wrapped_key = excluded.wrapped_key, sealed_value = excluded.sealed_value
    where s.version = excluded.version - 1
    returning tenant_id, name, version, created_at, updated_at`,
};

const APPEND_EVENT: Statement = {
  name: "secret_append_event",
  text: insertEventsFrom("$1"),
};

const DELETE: Statement = {
  name: "secret_delete",
  text: "delete from secret where tenant_id = $1 and name = $2 returning version",
};

const LIST: Statement = {
  name: "secret_list",
  text: `
    select tenant_id, name, version, created_at, updated_at from secret
    where tenant_id = $1 and name > $2
    order by name limit $3`,
};

const GET_VALUES: Statement = {
  name: "secret_get_values",
  text: `
    select name, version, wrapped_key, sealed_value from secret
    where tenant_id = $1 and name = any($2)`,
};

interface SecretRow {
  readonly tenant_id: string;
  readonly name: string;
  readonly version: number;
  readonly created_at: Date;
  readonly updated_at: Date;
}

interface SealedRow {
  readonly name: string;
  readonly version: number;
  readonly wrapped_key: Uint8Array;
  readonly sealed_value: Uint8Array;
}

export interface SecretStoreOptions {
  readonly address: PostgresAddress;
  readonly openMasterKey: OpenMasterKey;
  readonly onCommit: CommitListener;
  /** Default: 2. */
  readonly connectionsMax?: number;
}

/** Secrets in PostgreSQL, each value in an envelope under the master key. On connections of its own. */
export class PostgresSecretStore implements SecretStore, Component {
  readonly #pool: Pool;
  readonly #sql: Sql;
  readonly #openMasterKey: OpenMasterKey;
  readonly #onCommit: CommitListener;
  #masterKey: MasterKey | undefined;
  #stopped: Promise<void> | undefined;

  constructor({ address, openMasterKey, onCommit, connectionsMax }: SecretStoreOptions) {
    this.#pool = createPool(address, connectionsMax ?? DEFAULT_CONNECTIONS_MAX);
    this.#sql = poolSql(this.#pool);
    this.#openMasterKey = openMasterKey;
    this.#onCommit = onCommit;
  }

  /** Opens the master key. @throws PlatformError as `proveMasterKey` */
  async start(): Promise<void> {
    this.#masterKey = await proveMasterKey(this.#sql, this.#openMasterKey);
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#pool.end();
    return this.#stopped;
  }

  /** @throws PlatformError `invalid_argument` as `checkSecret` */
  async set(secret: NewSecretValue, change: SecretChange): Promise<Secret> {
    checkSecret(secret);
    for (let tries = 0; tries < SET_TRIES_MAX; tries += 1) {
      const version = (await this.#findVersion(secret)) + 1;
      // Sealed outside of the transaction: a key service may be slow, and a lock would wait for it.
      const envelope = await seal(this.#getMasterKey(), { ...secret, version }, secret.value);
      const stored = await this.#store({ ...secret, version }, envelope, change);
      if (stored !== undefined) return stored;
    }
    throw new PlatformError(
      "conflict",
      "stale_version",
      `secret ${secret.name} is being set by too many at once; try again`,
    );
  }

  async list(tenantId: TenantId, { limit, token }: PageRequest): Promise<Page<Secret>> {
    const after = token === null ? "" : parseToken(token);
    const rows = await this.#sql.run<SecretRow>(LIST, [tenantId, after, limit + 1]);
    const items = rows.slice(0, limit).map(fromRow);
    const last = items.at(-1);
    if (rows.length <= limit || last === undefined) return { items, nextToken: null };
    return { items, nextToken: Buffer.from(last.name).toString("base64url") };
  }

  async delete(
    { tenantId, name }: Pick<Secret, "tenantId" | "name">,
    change: SecretChange,
  ): Promise<boolean> {
    return this.#change(async (transaction) => {
      const [row] = await transaction.run<{ version: number }>(DELETE, [tenantId, name]);
      if (row === undefined) return false;
      const deleted = { tenantId, name, version: row.version };
      await appendEvent(transaction, secretEventRecord(deleted, { ...change, type: "deleted" }));
      return true;
    });
  }

  async getValues(
    tenantId: TenantId,
    names: readonly string[],
  ): Promise<ReadonlyMap<string, Uint8Array>> {
    const rows = await this.#sql.run<SealedRow>(GET_VALUES, [tenantId, names]);
    const values = new Map<string, Uint8Array>();
    for (const { name, version, wrapped_key, sealed_value } of rows) {
      const envelope = { wrappedKey: wrapped_key, sealedValue: sealed_value };
      const owner = { tenantId, name, version };
      values.set(name, await unseal(this.#getMasterKey(), owner, envelope));
    }
    return values;
  }

  async #findVersion({ tenantId, name }: NewSecretValue): Promise<number> {
    const [row] = await this.#sql.run<{ version: number }>(FIND_VERSION, [tenantId, name]);
    return row?.version ?? 0;
  }

  /** `undefined` if the version is not the next one any more. */
  async #store(
    secret: Pick<Secret, "tenantId" | "name" | "version">,
    { wrappedKey, sealedValue }: Envelope,
    change: SecretChange,
  ): Promise<Secret | undefined> {
    const { tenantId, name, version } = secret;
    const values = [tenantId, name, version, change.at, wrappedKey, sealedValue];
    return this.#change(async (transaction) => {
      const [row] = await transaction.run<SecretRow>(SET, values);
      if (row === undefined) return undefined;
      await appendEvent(transaction, secretEventRecord(secret, { ...change, type: "set" }));
      return fromRow(row);
    });
  }

  async #change<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const { result, events } = await transact(this.#pool, work);
    if (events.length > 0) this.#onCommit(events);
    return result;
  }

  #getMasterKey(): MasterKey {
    invariant(this.#masterKey !== undefined, "the store has been started");
    return this.#masterKey;
  }
}

async function appendEvent(
  transaction: Transaction,
  record: ReturnType<typeof secretEventRecord>,
): Promise<void> {
  await transaction.run(APPEND_EVENT, [toEventsJson([record])]);
  transaction.events.push(record);
}

function fromRow({ tenant_id, name, version, created_at, updated_at }: SecretRow): Secret {
  const times = { createdAt: created_at, updatedAt: updated_at };
  return { tenantId: tenant_id as TenantId, name, version, ...times };
}

function parseToken(token: string): string {
  const name = Buffer.from(token, "base64url").toString("latin1");
  if (/^\w{1,128}$/.test(name)) return name;
  throw new PlatformError(
    "invalid_argument",
    "malformed_page_token",
    "the page token is not one that a list returned; start without one",
  );
}
