import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { createTestDatabase, type TestDatabase, waitFor } from "@hodei/testkit";
import pg from "pg";
import { createPool } from "./connection.ts";
import { PostgresPartitions } from "./partitions.ts";
import { poolSql } from "./sql.ts";
import { retryTransient, transact } from "./transact.ts";

const at = (text: string) => new Date(`${text}Z`);
const INSERT = { text: "insert into reading (taken_at, value) values ($1, $2)" };

let database: TestDatabase;
let pool: pg.Pool;
let partitions: PostgresPartitions;

before(async () => {
  database = await createTestDatabase();
  pool = createPool(database.url, 4);
});

after(async () => {
  await partitions.stop();
  await pool.end();
  await database.drop();
});

beforeEach(async () => {
  await partitions?.stop();
  await pool.query(`
    drop table if exists reading;
    create table reading (
      taken_at timestamptz not null,
      value integer not null constraint reading_value check (value >= 0),
      primary key (value, taken_at)
    ) partition by range (taken_at);
    drop table if exists needed;
    create table needed (day timestamptz not null)`);
  const isNeeded =
    "exists (select from needed where day >= day_start and day < day_end and day > kept_from - interval '1 year')";
  partitions = new PostgresPartitions({
    address: database.url,
    table: { name: "reading", isNeeded },
  });
});

async function days(): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    "select relname as name from pg_class where relkind = 'r' and relname like 'reading_%' order by 1",
  );
  return rows.map(({ name }) => name.slice("reading_".length));
}

async function connected<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Holds a reader's and a writer's locks on the table while `work` runs. */
async function whileInUse<T>(work: (release: () => Promise<void>) => Promise<T>): Promise<T> {
  return connected(async (client) => {
    await client.query("begin");
    await client.query("select * from reading");
    await client.query("insert into reading values ('2026-03-02T01:00Z', 1)");
    return work(async () => {
      await client.query("commit");
    });
  });
}

test("days are made once, however often and by whomever they are asked for", async () => {
  const [from, to] = [at("2026-02-27T23:59"), at("2026-03-02T00:00")];
  const other = new PostgresPartitions({
    address: database.url,
    table: { name: "reading", isNeeded: "false" },
  });
  const created = await Promise.all([partitions, other].map((each) => each.create(from, to)));
  assert.equal(created.flat().length, 4);
  assert.deepEqual(await days(), ["20260227", "20260228", "20260301", "20260302"]);
  assert.deepEqual(await partitions.create(from, to), []);
  await other.stop();
  await other.stop();
  await pool.query("insert into reading values ('2026-03-01T23:59:59.999Z', 1)");
  const { rows } = await pool.query("select tableoid::regclass::text as name from reading");
  assert.deepEqual(rows, [{ name: "reading_20260301" }]);
  await assert.rejects(pool.query("insert into reading values ('2026-03-01Z', -1)"));
});

test("a write whose day is not there finds it, in a transaction and in a single statement", async () => {
  await transact(pool, async (sql) => {
    await sql.run(INSERT, [at("1999-12-31T12:00"), 1]);
    await sql.run(INSERT, [at("2031-01-01T12:00"), 2]);
  });
  const sql = poolSql(pool);
  await retryTransient(pool, () => sql.run(INSERT, [at("2000-02-29T12:00"), 3]));
  assert.deepEqual(await days(), ["19991231", "20000229", "20310101"]);
  const { rows } = await pool.query("select count(*)::integer as count from reading");
  assert.deepEqual(rows, [{ count: 3 }]);
});

test("neither making nor dropping days holds up a reader or writer", async () => {
  await partitions.create(at("2026-03-01T00:00"), at("2026-03-02T00:00"));
  await whileInUse(async (release) => {
    await partitions.create(at("2026-03-03T00:00"), at("2026-03-03T00:00"));
    let isDropped = false;
    const dropping = partitions.drop(at("2026-03-02T00:00")).then((dropped) => {
      isDropped = true;
      return dropped;
    });
    const isDetaching = async () => {
      const { rows } = await pool.query("select from pg_inherits where inhdetachpending");
      return rows.length > 0;
    };
    await waitFor(isDetaching);
    // It waits for the transaction; nobody waits for it.
    await connected(async (client) => {
      await client.query("set lock_timeout = '2s'");
      await client.query("insert into reading values ('2026-03-02T02:00Z', 2)");
      const { rows } = await client.query("select value from reading");
      assert.deepEqual(rows, [{ value: 2 }]);
    });
    await partitions.create(at("2026-03-04T00:00"), at("2026-03-04T00:00"));
    assert.equal(isDropped, false);
    await release();
    assert.deepEqual(await dropping, [at("2026-03-01T00:00")]);
  });
  assert.deepEqual(await days(), ["20260302", "20260303", "20260304"]);
});

test("days go when they have ended by then and are not needed", async () => {
  await partitions.create(at("2026-03-01T00:00"), at("2026-03-04T00:00"));
  await pool.query("insert into needed values ('2026-03-02T05:00Z')");
  assert.deepEqual(await partitions.drop(at("2026-03-03T23:59")), [at("2026-03-01T00:00")]);
  assert.deepEqual(await days(), ["20260302", "20260303", "20260304"]);
  await pool.query("truncate needed");
  const rest = [at("2026-03-02T00:00"), at("2026-03-03T00:00")];
  assert.deepEqual(await partitions.drop(at("2026-03-04T00:00")), rest);
  assert.deepEqual(await partitions.drop(at("2026-03-04T00:00")), []);
});

test("a drop that was cut short is finished by the next one, or by who needs the day", async () => {
  await partitions.create(at("2026-03-01T00:00"), at("2026-03-02T00:00"));
  const cutShort = () =>
    whileInUse(async () => {
      await connected(async (client) => {
        await client.query("set statement_timeout = '200ms'");
        await assert.rejects(
          client.query("alter table reading detach partition reading_20260301 concurrently"),
        );
      });
    });
  await cutShort();
  assert.deepEqual(await partitions.drop(at("2026-03-02T00:00")), [at("2026-03-01T00:00")]);
  await partitions.create(at("2026-03-01T00:00"), at("2026-03-01T00:00"));
  await cutShort();
  await transact(pool, (sql) => sql.run(INSERT, [at("2026-03-01T12:00"), 7]));
  await pool.query("alter table reading detach partition reading_20260301");
  assert.deepEqual(await partitions.drop(at("2026-03-02T00:00")), [at("2026-03-01T00:00")]);
  assert.deepEqual(await days(), ["20260302"]);
});
