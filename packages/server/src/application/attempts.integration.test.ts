import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import {
  type AppendResult,
  type AttemptRef,
  applyAttemptEvent,
  applyJobEvents,
  type JobEvent,
  type JobId,
  type LogStore,
} from "@hodei/domain";
import {
  after as afterStart,
  aNewJob,
  anAttempt,
  createTestDatabase,
  type TestDatabase,
  waitFor,
} from "@hodei/testkit";
import pg from "pg";
import { newLogStore } from "../infrastructure/postgres/log-store-fixtures.test.ts";
import { PostgresDatabase } from "../infrastructure/postgres/postgres-database.ts";
import { endAttempt, loseAttempts } from "./attempts.ts";
import { COMPLETED, logBatch } from "./fixtures.test.ts";

let ownDatabase: TestDatabase;
let observer: pg.Client;
let database: PostgresDatabase;
let logs: ReturnType<typeof newLogStore>;

before(async () => {
  ownDatabase = await createTestDatabase();
  const { url } = ownDatabase;
  observer = new pg.Client({ connectionString: url });
  await observer.connect();
  database = new PostgresDatabase({ address: url, onCommit: () => undefined });
  logs = newLogStore(url);
  await database.start();
  await logs.start();
});

after(async () => {
  await database.stop();
  await logs.stop();
  await observer.end();
  await ownDatabase.drop();
});

/** A job whose attempt runs. */
async function runningJob() {
  const id = randomUUID() as JobId;
  const newJob = aNewJob({ id });
  await database.insertJobs([newJob]);
  const { workerId, leaseToken: token, ...attempt } = anAttempt({ jobId: id });
  const lease = { token, workerId, acknowledgeBy: afterStart(10_000) };
  const events: JobEvent[] = [
    { type: "assigned", at: afterStart(1), lease },
    { type: "started", at: afterStart(2) },
  ];
  const assigned = { ...attempt, workerId, leaseToken: token };
  const started = applyAttemptEvent(assigned, { type: "started", at: afterStart(2) });
  const running = applyJobEvents(newJob.job, events);
  const job = await database.changeJob({ job: running, events, attempt: started });
  assert.ok(job);
  const ref: AttemptRef = { jobId: job.id, attempt: job.attempt, leaseToken: token };
  return { job, ref, workerId };
}

async function isLockAwaited(): Promise<boolean> {
  const { rows } = await observer.query(`
    select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`);
  return rows.length > 0;
}

test("a lost attempt counts every byte of its log, also when one more batch comes just then", async () => {
  const { job, ref, workerId } = await runningJob();
  await logs.append([logBatch(ref, 0, "first")]);
  let late: Promise<readonly AppendResult[]> | undefined;
  let isAnswered = false;
  const measured: Pick<LogStore, "durableOffset"> = {
    durableOffset: async (jobId, attempt) => {
      const offset = await logs.durableOffset(jobId, attempt);
      late = logs.append([logBatch(ref, 5, "late")]);
      void late.finally(() => {
        isAnswered = true;
      });
      await waitFor(async () => isAnswered || (await isLockAwaited()));
      return offset;
    },
  };
  const loss = { workerId, jobs: [job], at: afterStart(9), message: "gone" };
  await database.transact((stores) =>
    loseAttempts({ logs: measured, random: () => 0 }, stores, loss),
  );
  assert.deepEqual(await late, [{ kind: "refused" }]);
  const attempt = await database.readers.attempts.find(job.id, 1);
  assert.equal(attempt?.logBytes, 5);
  assert.equal(await logs.durableOffset(job.id, 1), 5);
});

test("a step that waited while somebody else changed its job is left out whole", async () => {
  const { job, ref } = await runningJob();
  const attempt = await database.readers.attempts.find(ref.jobId, ref.attempt);
  assert.ok(attempt);
  const report = { outcome: COMPLETED, logBytes: 0, processesLeft: 0, usage: null };
  const end = endAttempt({ job, attempt }, report, { at: afterStart(9), random: () => 0 });
  let answer: Promise<unknown> | undefined;
  await database.transact(async ({ jobs }) => {
    const asked: JobEvent = { type: "cancel_requested", at: afterStart(8), by: "somebody" };
    await jobs.update(applyJobEvents(await jobs.lock(job.id), [asked]), [asked]);
    answer = database.changeJob(end);
    await waitFor(isLockAwaited);
  });
  assert.equal(await answer, undefined);
  assert.equal((await database.readers.jobs.get(job.id)).state, "running");
  assert.deepEqual(await database.readers.attempts.find(ref.jobId, ref.attempt), attempt);
});
