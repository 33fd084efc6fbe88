import type { Component, DayPartitions } from "@hodei/domain";
import type { Pool, PoolClient } from "pg";
import { LOCK_CLASS_PARTITIONS } from "./advisory-locks.ts";
import { createPool, type PostgresAddress } from "./connection.ts";
import type { MissingPartition } from "./missing-partition.ts";
import { toPlatformError } from "./postgres-error.ts";

const DAY_MS = 86_400_000;
/** One to make days while the other waits for what it drops. */
const CONNECTIONS_MAX = 2;

/** A table that is partitioned by range over one column of type timestamptz. */
export interface PartitionedTable {
  /** Its partitions are called `<name>_<yyyymmdd>`, one for each day of UTC. */
  readonly name: string;
  /**
   * SQL that says whether rows of a day are still needed although their time is over. It may name `day_start`, `day_end`
   * (of the day) and `kept_from` (what is older may go).
   */
  readonly isNeeded: string;
}

export interface PartitionsOptions {
  readonly address: PostgresAddress;
  readonly table: PartitionedTable;
}

/**
 * The partitions of one table. Readers and writers of the table are never held up: a partition is made apart and then
 * attached, and detached concurrently before it is dropped, neither of which takes a lock that they would wait for. This
 * is also why there is no default partition, which forbids the second; a write for which there is no partition makes it
 * (`createMissingPartition`). Source: PostgreSQL 18 documentation, 5.12.2.2 and ALTER TABLE.
 */
export class PostgresPartitions implements DayPartitions, Component {
  readonly name: string;
  readonly #table: PartitionedTable;
  readonly #pool: Pool;
  #stopped: Promise<void> | undefined;

  constructor({ address, table }: PartitionsOptions) {
    this.name = table.name;
    this.#table = table;
    this.#pool = createPool(address, CONNECTIONS_MAX);
  }

  /** Connections are made when they are needed. */
  async start(): Promise<void> {}

  stop(): Promise<void> {
    this.#stopped ??= this.#pool.end();
    return this.#stopped;
  }

  create(from: Date, to: Date): Promise<readonly Date[]> {
    return alone(this.#pool, `create ${this.name}`, (client) =>
      createDays(client, this.name, from, to),
    );
  }

  drop(before: Date): Promise<readonly Date[]> {
    return alone(this.#pool, `drop ${this.name}`, async (client) => {
      const dropped: Date[] = [];
      for (const partition of await listPartitions(client, this.name)) {
        const { day, state } = partition;
        if (endOf(day).getTime() > before.getTime()) continue;
        if (state === "attached" && (await this.#isNeeded(client, day, before))) continue;
        await dropPartition(client, this.name, partition);
        dropped.push(day);
      }
      return dropped;
    });
  }

  async #isNeeded(client: PoolClient, day: Date, before: Date): Promise<boolean> {
    const text = `
      select (${this.#table.isNeeded}) as needed
      from (select $1::timestamptz as day_start, $2::timestamptz as day_end, $3::timestamptz as kept_from) as asked`;
    const values = [day, endOf(day), before];
    const { rows } = await client.query<{ needed: boolean }>({ text, values });
    return rows[0]?.needed === true;
  }
}

/** Makes the partition for a row that found none. @throws PlatformError */
export async function createMissingPartition(
  pool: Pool,
  { table, key }: MissingPartition,
): Promise<void> {
  await alone(pool, `create ${table}`, async (client) => {
    // The database reads what it wrote: how it writes instants is a setting of it.
    const text = "select extract(epoch from $1::timestamptz)::float8 * 1000 as ms";
    const { rows } = await client.query<{ ms: number }>({ text, values: [key] });
    const at = new Date(rows[0]?.ms ?? Number.NaN);
    await createDays(client, table, at, at);
  });
}

interface Partition {
  readonly name: string;
  readonly day: Date;
  /** `detaching`: a detach was cut short. `detached`: the drop after it was. */
  readonly state: "attached" | "detaching" | "detached";
}

/** Runs `work` on one connection, while nobody else does what is called the same. @throws PlatformError */
async function alone<T>(
  pool: Pool,
  what: string,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  let client: PoolClient | undefined;
  let isUsable = false;
  const key = [LOCK_CLASS_PARTITIONS, what];
  try {
    client = await pool.connect();
    await client.query("select pg_advisory_lock($1, hashtext($2))", key);
    const result = await work(client);
    await client.query("select pg_advisory_unlock($1, hashtext($2))", key);
    isUsable = true;
    return result;
  } catch (error) {
    throw toPlatformError(error);
  } finally {
    // The end of its connection ends the lock.
    client?.release(!isUsable);
  }
}

/** In the order of their days; of the schema that holds the table. */
async function listPartitions(client: PoolClient, table: string): Promise<readonly Partition[]> {
  const { rows } = await client.query<{ name: string; state: Partition["state"] }>({
    text: `
      select c.relname as name,
        case when i.inhrelid is null then 'detached' when i.inhdetachpending then 'detaching' else 'attached' end as state
      from pg_class c left join pg_inherits i on i.inhrelid = c.oid
      where c.relkind = 'r' and c.relname ~ $2
        and c.relnamespace = (select relnamespace from pg_class where oid = $1::regclass)
      order by c.relname`,
    values: [table, `^${table}_[0-9]{8}$`],
  });
  return rows.map(({ name, state }) => ({ name, state, day: dayOf(name) }));
}

async function createDays(
  client: PoolClient,
  table: string,
  from: Date,
  to: Date,
): Promise<readonly Date[]> {
  const present = new Map((await listPartitions(client, table)).map((one) => [one.name, one]));
  const created: Date[] = [];
  for (let day = startOfDay(from); day <= to; day = endOf(day)) {
    const name = partitionName(table, day);
    const partition = present.get(name);
    if (partition?.state === "attached") continue;
    // Its drop was cut short: it ends here, so that its name is free.
    if (partition !== undefined) await dropPartition(client, table, partition);
    // Several statements without parameters are one transaction.
    await client.query(`
      create table ${name} (like ${table} including defaults including constraints including storage)
        with (autovacuum_vacuum_insert_scale_factor = 0.05);
      alter table ${table} attach partition ${name}
        for values from ('${day.toISOString()}') to ('${endOf(day).toISOString()}')`);
    created.push(day);
  }
  return created;
}

async function dropPartition(
  client: PoolClient,
  table: string,
  { name, state }: Partition,
): Promise<void> {
  if (state !== "detached") {
    const how = state === "detaching" ? "finalize" : "concurrently";
    await client.query(`alter table ${table} detach partition ${name} ${how}`);
  }
  await client.query(`drop table ${name}`);
}

function partitionName(table: string, day: Date): string {
  return `${table}_${day.toISOString().slice(0, 10).replaceAll("-", "")}`;
}

function dayOf(name: string): Date {
  const digits = name.slice(-8);
  return new Date(`${digits.slice(0, 4)}-${digits.slice(4, 6)}-${digits.slice(6)}T00:00:00Z`);
}

function startOfDay(at: Date): Date {
  return new Date(Math.floor(at.getTime() / DAY_MS) * DAY_MS);
}

const endOf = (day: Date): Date => new Date(day.getTime() + DAY_MS);
