import type { EventCursor, SubscriptionStore } from "@hodei/domain";
import { LOCK_CLASS_SUBSCRIPTION } from "./advisory-locks.ts";
import type { Sql, Statement } from "./sql.ts";

/** By name and not by row, as the row of a new subscription does not exist yet. Names that share a hash take turns. */
const TRY_LOCK: Statement = {
  name: "subscription_try_lock",
  text: "select pg_try_advisory_xact_lock($1, hashtext($2)) as locked",
};

/** A statement of its own: it must see what the holder before us committed. */
const FIND: Statement = {
  name: "subscription_find",
  text: "select cursor from subscription where name = $1",
};

const ADVANCE: Statement = {
  name: "subscription_advance",
  text: `
    insert into subscription (name, cursor) values ($1, $2)
    on conflict (name) do update set cursor = excluded.cursor`,
};

export class PostgresSubscriptionStore implements SubscriptionStore {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  async lock(name: string): Promise<EventCursor | undefined> {
    const values = [LOCK_CLASS_SUBSCRIPTION, name];
    const [lock] = await this.#sql.run<{ readonly locked: boolean }>(TRY_LOCK, values);
    if (!lock?.locked) return undefined;
    const [row] = await this.#sql.run<{ readonly cursor: EventCursor }>(FIND, [name]);
    return row?.cursor ?? "";
  }

  async advance(name: string, cursor: EventCursor): Promise<void> {
    await this.#sql.run(ADVANCE, [name, cursor]);
  }
}
