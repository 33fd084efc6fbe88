import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { TenantId } from "@hodei/domain";
import { aNewJob, createTestDatabase, type TestDatabase } from "@hodei/testkit";
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

test("a NUL in what a caller gave is the caller's mistake", async () => {
  const { jobs, events } = database.readers;
  const tenantId = "default" as TenantId;
  const page = { limit: 10, token: null };
  // Fields for which the contract has no pattern: of ListJobs, ListEvents and RetryJob.
  const calls = [
    () => jobs.list({ tenantId, nameContains: "a\0" }, page),
    () => jobs.list({ tenantId, labels: { "a\0": "b" } }, page),
    () => events.list({ tenantId, subjectId: "a\0" }, "", 10),
    () => events.list({ tenantId, types: ["a\0"] }, "", 10),
    () => database.insertJobs([aNewJob({}, { idempotencyKey: "a\0" })]),
  ];
  for (const call of calls) await assert.rejects(call, { code: "invalid_argument" });
});
