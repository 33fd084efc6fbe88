import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { RateStart, TenantId } from "@hodei/domain";
import { createTestDatabase, type TestDatabase } from "@hodei/testkit";
import pg from "pg";
import { PostgresDatabase } from "./postgres-database.ts";

let postgres: TestDatabase;
let database: PostgresDatabase;

before(async () => {
  postgres = await createTestDatabase();
  database = new PostgresDatabase({ address: postgres.url, onCommit: () => undefined });
});

after(async () => {
  await database.stop();
  await postgres.drop();
});

test("starts that count no more go, also those of keys that nobody uses again", async () => {
  const dayMs = 86_400_000;
  for (let day = 0; day < 10; day += 1) {
    const at = new Date(day * dayMs);
    const countsUntil = new Date(at.getTime() + 1_000);
    // Such as one key for each pull request.
    const start: RateStart = {
      tenantId: "default" as TenantId,
      key: `pull/${day}`,
      at,
      countsUntil,
    };
    await database.transact(({ limits }) => limits.addStarts([start], at));
  }
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  const { rows } = await client.query("select count(*)::integer as count from rate_start");
  await client.end();
  assert.ok(
    rows[0].count <= 2,
    `${rows[0].count} of 10 starts are still stored, 9 of which count no more`,
  );
});
