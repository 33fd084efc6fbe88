import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import type { JobId } from "@hodei/domain";
import { aJobSpec, aNewJob, createTestDatabase, START, type TestDatabase } from "@hodei/testkit";
import pg from "pg";
import { PostgresDatabase } from "./postgres-database.ts";

const JOB_COUNT = 60;
/** The largest that a spec may be, with room for the rest of it. */
const STDIN_BYTES = 1_000_000;
/** Of 32 MiB of specs as they are stored, in base64. */
const MOVED_MAX = 26;

let postgres: TestDatabase;
let database: PostgresDatabase;
let client: pg.Client;

before(async () => {
  postgres = await createTestDatabase();
  database = new PostgresDatabase({ address: postgres.url, onCommit: () => undefined });
  client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
});

after(async () => {
  await client.end();
  await database.stop();
  await postgres.drop();
});

test("a turn moves few jobs whose specs are large, and turns move all of them", async () => {
  const spec = aJobSpec({ stdin: randomBytes(STDIN_BYTES) });
  for (let number = 0; number < JOB_COUNT; number += 1) {
    const id = `00000000-0000-7000-8000-${String(number).padStart(12, "0")}` as JobId;
    await database.insertJobs([aNewJob({ id, now: START }, { spec })]);
  }
  await client.query(
    "update job set state = 'cancelled', finished_at = created_at, outcome_reason = 'cancelled_by'",
  );
  let movedCount = 0;
  while (movedCount < JOB_COUNT) {
    const count = await database.transact(({ jobs }) =>
      jobs.moveFinished(START, 500, ({ finishedAt }) => finishedAt),
    );
    assert.ok(count > 0 && count <= MOVED_MAX, `${count} moved in one turn`);
    movedCount += count;
  }
  const { rows } = await client.query("select count(*)::integer as count from finished_job");
  assert.equal(rows[0].count, JOB_COUNT);
});
