import {
  type Job,
  type JobId,
  type KeyHolder,
  keyText,
  type LimitKey,
  type LimitLock,
  type LimitReader,
  type LimitStore,
  type RateStart,
  type TenantId,
} from "@hodei/domain";
import { LOCK_CLASS_LIMIT } from "./advisory-locks.ts";
import { fromJobRow, SELECT_JOB, type StoredJobRow } from "./job-row.ts";
import type { Sql, Statement } from "./sql.ts";

/**
 * By hash, in the order of the hashes: who locks several never waits in a circle. Keys that share a hash take turns. A
 * statement of its own: those after it must see what the holder before us committed.
 */
const LOCK: Statement = {
  name: "limit_lock",
  text: `
    select pg_advisory_xact_lock($1, hash)
    from (select distinct hashtext(lock) as hash from unnest($2::text[]) as lock order by hash) as ordered`,
};

const KEYS = "unnest($1::text[], $2::text[]) as k(tenant_id, key)";

const LIST_HOLDERS: Statement = {
  name: "limit_list_holders",
  text: `
    select j.tenant_id, j.concurrency_key as key, j.id
    from job j join ${KEYS} on j.tenant_id = k.tenant_id and j.concurrency_key = k.key
    where j.state in ('assigned', 'running')
    order by j.created_at, j.id`,
};

const LIST_UNFINISHED: Statement = {
  name: "limit_list_unfinished",
  text: `
    ${SELECT_JOB}
    where j.tenant_id = $1 and j.concurrency_key = $2 and j.state in ('pending', 'assigned', 'running')
    order by j.created_at, j.id`,
};

const LIST_STARTS: Statement = {
  name: "limit_list_starts",
  text: `
    select s.tenant_id, s.key, s.at, s.counts_until
    from rate_start s join ${KEYS} on s.tenant_id = k.tenant_id and s.key = k.key
    where s.counts_until > $3`,
};

const COUNT_HELD: Statement = {
  name: "limit_count_held",
  text: `
    select tenant_id, count(*) as count from job
    where state in ('assigned', 'running') and tenant_id = any($1::text[])
    group by tenant_id`,
};

/** Old starts that go with each call at most: more than come with most, so that the table stays as small as the limits are. */
const FORGET_MAX = 1_000;

/** What does not count any more goes, under whichever key: some are never used again. */
const ADD_STARTS: Statement = {
  name: "limit_add_starts",
  text: `
    with forgotten as (
      delete from rate_start where ctid = any(array(
        select ctid from rate_start where counts_until <= $5
        order by counts_until limit ${FORGET_MAX} for update skip locked))
    )
    insert into rate_start (tenant_id, key, at, counts_until)
    select * from unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[])`,
};

interface KeyRow {
  readonly tenant_id: string;
  readonly key: string;
}

export class PostgresLimitReader implements LimitReader {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  async listHolders(keys: readonly LimitKey[]): Promise<readonly KeyHolder[]> {
    if (keys.length === 0) return [];
    const rows = await this.#sql.run<KeyRow & { readonly id: string }>(
      LIST_HOLDERS,
      columns(distinct(keys)),
    );
    return rows.map(({ id, ...row }) => ({ ...fromKeyRow(row), jobId: id as JobId }));
  }

  async listUnfinished({ tenantId, key }: LimitKey): Promise<readonly Job[]> {
    return (await this.#sql.run<StoredJobRow>(LIST_UNFINISHED, [tenantId, key])).map(fromJobRow);
  }

  async listStarts(keys: readonly LimitKey[], now: Date): Promise<readonly RateStart[]> {
    if (keys.length === 0) return [];
    type StartRow = KeyRow & { readonly at: Date; readonly counts_until: Date };
    const rows = await this.#sql.run<StartRow>(LIST_STARTS, [...columns(distinct(keys)), now]);
    return rows.map(({ at, counts_until, ...row }) => ({
      ...fromKeyRow(row),
      at,
      countsUntil: counts_until,
    }));
  }

  async countHeld(tenantIds: readonly TenantId[]): Promise<ReadonlyMap<TenantId, number>> {
    if (tenantIds.length === 0) return new Map();
    type CountRow = { readonly tenant_id: string; readonly count: number };
    const rows = await this.#sql.run<CountRow>(COUNT_HELD, [tenantIds]);
    return new Map(rows.map(({ tenant_id, count }) => [tenant_id as TenantId, count]));
  }
}

export class PostgresLimitStore extends PostgresLimitReader implements LimitStore {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    super(sql);
    this.#sql = sql;
  }

  async lock(locks: readonly LimitLock[]): Promise<void> {
    const names = locks.map(({ kind, tenantId, key }) => JSON.stringify([kind, tenantId, key]));
    if (names.length > 0) await lockNames(this.#sql, names);
  }

  async addStarts(starts: readonly RateStart[], now: Date): Promise<void> {
    if (starts.length === 0) return;
    await this.#sql.run(ADD_STARTS, [
      ...columns(starts),
      starts.map(({ at }) => at),
      starts.map(({ countsUntil }) => countsUntil),
      now,
    ]);
  }
}

/** Holds what has these names until the transaction ends. */
export async function lockNames(sql: Sql, names: readonly string[]): Promise<void> {
  await sql.run(LOCK, [LOCK_CLASS_LIMIT, names]);
}

/** Each once: what is joined with a key that is there twice counts twice. */
const distinct = (keys: readonly LimitKey[]): readonly LimitKey[] => [
  ...new Map(keys.map((key) => [keyText(key), key])).values(),
];

const columns = (keys: readonly LimitKey[]): [string[], string[]] => [
  keys.map(({ tenantId }) => tenantId),
  keys.map(({ key }) => key),
];

const fromKeyRow = ({ tenant_id, key }: KeyRow): LimitKey => ({
  tenantId: tenant_id as TenantId,
  key,
});
