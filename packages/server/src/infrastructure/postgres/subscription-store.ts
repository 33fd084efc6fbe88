import {
  type DeadLetterKey,
  type EventCursor,
  type Page,
  type PageRequest,
  PlatformError,
  type ReplicaId,
  type StoredEvent,
  type SubscriptionState,
  type SubscriptionStore,
  type TenantId,
  type UndeliveredEvent,
} from "@hodei/domain";
import type { Sql, Statement } from "./sql.ts";

/** Makes the row of a new subscription, so that there is one to lock. */
const ENSURE: Statement = {
  name: "subscription_ensure",
  text: "insert into subscription (name) values ($1) on conflict (name) do nothing",
};

const LOCK: Statement = {
  name: "subscription_lock",
  text: "select cursor, holder, held_until from subscription where name = $1 for no key update",
};

const SAVE: Statement = {
  name: "subscription_save",
  text: "update subscription set cursor = $2, holder = $3, held_until = $4 where name = $1",
};

const COLUMNS = "subscription, event, failures, error, next_try_at, dead_at";

const LIST_WAITING: Statement = {
  name: "subscription_list_waiting",
  text: `
    select ${COLUMNS} from undelivered_event
    where subscription = $1 and dead_at is null
    order by cursor limit $2`,
};

const LIST_DEAD: Statement = {
  name: "subscription_list_dead",
  text: `
    select ${COLUMNS} from undelivered_event
    where tenant_id = $1 and dead_at is not null and (cursor, subscription) > ($2, $3)
    order by cursor, subscription limit $4`,
};

const COUNT_DEAD: Statement = {
  name: "subscription_count_dead",
  text: "select count(*) as count from undelivered_event where subscription = $1 and dead_at is not null",
};

const SAVE_UNDELIVERED: Statement = {
  name: "subscription_save_undelivered",
  text: `
    insert into undelivered_event
      (subscription, cursor, tenant_id, event, failures, error, next_try_at, dead_at)
    select u.subscription, u.event ->> 'cursor', u.tenant_id, u.event, u.failures, u.error, u.next_try_at, u.dead_at
    from json_to_recordset($1::json) as u(
      subscription text, tenant_id text, event json, failures integer, error text, next_try_at timestamptz,
      dead_at timestamptz)
    on conflict (subscription, cursor) do update
    set failures = excluded.failures, error = excluded.error, next_try_at = excluded.next_try_at,
      dead_at = excluded.dead_at`,
};

const REMOVE_UNDELIVERED: Statement = {
  name: "subscription_remove_undelivered",
  text: "delete from undelivered_event where subscription = $1 and cursor = any($2::text[])",
};

/** Dead letters of tenant `$1`: of all, or those whose subscriptions are `$2` and cursors `$3`. */
const CHOSEN_DEAD = `tenant_id = $1 and dead_at is not null
  and ($2::text[] is null or (subscription, cursor) in (select * from unnest($2::text[], $3::text[])))`;

const REPLAY_DEAD: Statement = {
  name: "subscription_replay_dead",
  text: `
    update undelivered_event set failures = 0, next_try_at = $4, dead_at = null
    where ${CHOSEN_DEAD} returning subscription`,
};

const DISCARD_DEAD: Statement = {
  name: "subscription_discard_dead",
  text: `delete from undelivered_event where ${CHOSEN_DEAD} returning subscription`,
};

interface UndeliveredRow {
  readonly subscription: string;
  readonly event: Omit<StoredEvent, "at"> & { readonly at: string };
  readonly failures: number;
  readonly error: string;
  readonly next_try_at: Date;
  readonly dead_at: Date | null;
}

export class PostgresSubscriptionStore implements SubscriptionStore {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  async lock(name: string): Promise<SubscriptionState> {
    const [, rows] = await Promise.all([
      this.#sql.run(ENSURE, [name]),
      this.#sql.run<StateRow>(LOCK, [name]),
    ]);
    const [row] = rows;
    return {
      name,
      cursor: row?.cursor ?? null,
      holder: row?.holder ?? null,
      heldUntil: row?.held_until ?? null,
    };
  }

  async save({ name, cursor, holder, heldUntil }: SubscriptionState): Promise<void> {
    await this.#sql.run(SAVE, [name, cursor, holder, heldUntil]);
  }

  async listWaiting(name: string, limit: number): Promise<readonly UndeliveredEvent[]> {
    return (await this.#sql.run<UndeliveredRow>(LIST_WAITING, [name, limit])).map(fromRow);
  }

  async listDead(
    tenantId: TenantId,
    { limit, token }: PageRequest,
  ): Promise<Page<UndeliveredEvent>> {
    const after = token === null ? { cursor: "", subscription: "" } : parseToken(token);
    const values = [tenantId, after.cursor, after.subscription, limit + 1];
    const found = (await this.#sql.run<UndeliveredRow>(LIST_DEAD, values)).map(fromRow);
    const last = found.length > limit ? found[limit - 1] : undefined;
    return {
      items: found.slice(0, limit),
      nextToken: last === undefined ? null : `${last.event.cursor} ${last.subscription}`,
    };
  }

  async countDead(name: string): Promise<number> {
    const [row] = await this.#sql.run<{ readonly count: number }>(COUNT_DEAD, [name]);
    return row?.count ?? 0;
  }

  async saveUndelivered(events: readonly UndeliveredEvent[]): Promise<void> {
    if (events.length === 0) return;
    const rows = events.map((undelivered) => ({
      subscription: undelivered.subscription,
      tenant_id: undelivered.event.tenantId,
      event: undelivered.event,
      failures: undelivered.failures,
      error: undelivered.error,
      next_try_at: undelivered.nextTryAt,
      dead_at: undelivered.deadAt,
    }));
    await this.#sql.run(SAVE_UNDELIVERED, [JSON.stringify(rows)]);
  }

  async removeUndelivered(name: string, cursors: readonly EventCursor[]): Promise<void> {
    if (cursors.length > 0) await this.#sql.run(REMOVE_UNDELIVERED, [name, cursors]);
  }

  async replayDead(
    tenantId: TenantId,
    keys: readonly DeadLetterKey[] | null,
    now: Date,
  ): Promise<number> {
    return (await this.#sql.run(REPLAY_DEAD, [tenantId, ...toArrays(keys), now])).length;
  }

  async discardDead(tenantId: TenantId, keys: readonly DeadLetterKey[] | null): Promise<number> {
    return (await this.#sql.run(DISCARD_DEAD, [tenantId, ...toArrays(keys)])).length;
  }
}

interface StateRow {
  readonly cursor: EventCursor | null;
  readonly holder: ReplicaId | null;
  readonly held_until: Date | null;
}

function toArrays(keys: readonly DeadLetterKey[] | null): unknown[] {
  if (keys === null) return [null, null];
  return [keys.map(({ subscription }) => subscription), keys.map(({ cursor }) => cursor)];
}

function fromRow(row: UndeliveredRow): UndeliveredEvent {
  return {
    subscription: row.subscription,
    event: { ...row.event, at: new Date(row.event.at) },
    failures: row.failures,
    error: row.error,
    nextTryAt: row.next_try_at,
    deadAt: row.dead_at,
  };
}

function parseToken(token: string): DeadLetterKey {
  const [, cursor, subscription] = /^(\S+) (\S+)$/.exec(token) ?? [];
  if (cursor !== undefined && subscription !== undefined) return { cursor, subscription };
  throw new PlatformError(
    "invalid_argument",
    "malformed_page_token",
    "the page token is not one that a list returned; start without one",
  );
}
