import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestDatabase } from "@hodei/testkit";
import pg from "pg";
import { openBareInserts } from "./bare-inserts.ts";

test("the baseline stores rows of the make that the server's tables have", async (context) => {
  const database = await createTestDatabase();
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  context.after(async () => {
    await client.end();
    await database.drop();
  });
  await client.query(`
    insert into job_spec (job_id, tenant_id, created_at, name, labels, policy, spec)
    values (gen_random_uuid(), 'default', now(), 'sample', '{}', '{}', '{}')`);
  const bare = await openBareInserts(database.url, 2);
  assert.deepEqual(await Promise.all(bare.inserts.map((insert) => insert())), [1, 1]);
  const count = async () =>
    (await client.query("select count(*)::integer as count from bench.job")).rows[0].count;
  assert.equal(await count(), 2);
  await bare.forgetJobs();
  assert.equal(await count(), 0);
  await bare.close();
});
