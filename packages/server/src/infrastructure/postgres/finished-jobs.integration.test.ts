import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import {
  applyAttemptEvent,
  applyJobEvents,
  type EndedJob,
  type Job,
  type JobEvent,
  type JobId,
  type KeyPosition,
  outcomeOf,
} from "@hodei/domain";
import {
  aNewJob,
  anAttempt,
  createTestDatabase,
  putAttempt,
  SequenceIds,
  type TestDatabase,
} from "@hodei/testkit";
import pg from "pg";
import { finishedJobPartitions } from "./finished-job-partitions.ts";
import { logPartitions } from "./log-partitions.ts";
import { newLogStore } from "./log-store-fixtures.test.ts";
import { PostgresDatabase } from "./postgres-database.ts";

const DAY_MS = 86_400_000;
const at = (text: string) => new Date(`${text}Z`);

let postgres: TestDatabase;
let database: PostgresDatabase;
let days: ReturnType<typeof finishedJobPartitions>;
let client: pg.Client;
const ids = new SequenceIds();

before(async () => {
  postgres = await createTestDatabase();
  database = new PostgresDatabase({ address: postgres.url, onCommit: () => undefined });
  days = finishedJobPartitions(postgres.url);
  client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
});

after(async () => {
  await client.end();
  await Promise.all(days.map((table) => table.stop()));
  await database.stop();
  await postgres.drop();
});

beforeEach(async () => {
  await client.query("truncate job, job_spec, job_key, attempt, finished_job, finished_attempt");
});

/** Each job goes with the day of its end, unless `keptUntil` says otherwise. */
const move = (limit = 1_000, keptUntil = ({ finishedAt }: EndedJob) => finishedAt) =>
  database.transact(({ jobs }) => jobs.moveFinished(at("2030-01-01T00:00"), limit, keptUntil));

const drop = async (text: string) => Promise.all(days.map((table) => table.drop(at(text))));

async function insert(now: Date, idempotencyKey: string | null = null): Promise<Job> {
  const id = ids.next() as JobId;
  const [inserted] = await database.insertJobs([aNewJob({ id, now }, { idempotencyKey })]);
  assert.ok(inserted?.created);
  return inserted.job;
}

/** A job with one attempt that ended at `end`. */
async function endedJob(end: Date, idempotencyKey: string | null = null): Promise<Job> {
  const { id } = await insert(new Date(end.getTime() - 1_000), idempotencyKey);
  const outcome = outcomeOf("cancelled_by", "");
  const startedAt = new Date(end.getTime() - 500);
  const assigned = anAttempt({ jobId: id, assignedAt: startedAt });
  const running = applyAttemptEvent(assigned, { type: "started", at: startedAt });
  const closing = { outcome, at: end, logBytes: 0, processesLeft: 0, usage: null };
  await putAttempt(database, applyAttemptEvent(running, { type: "cancelled", ...closing }));
  const event: JobEvent = { type: "cancelled", at: end, outcome };
  return database.transact(async ({ jobs }) =>
    jobs.update(applyJobEvents(await jobs.lock(id), [event]), [event]),
  );
}

async function countRows(): Promise<Readonly<Record<string, number>>> {
  const tables = ["job", "job_spec", "attempt", "finished_job", "finished_attempt", "job_key"];
  const counts = tables.map((table) => `(select count(*)::integer from ${table}) as ${table}`);
  return (await client.query(`select ${counts.join(", ")}`)).rows[0];
}

const EMPTY = {
  job: 0,
  job_spec: 0,
  attempt: 0,
  finished_job: 0,
  finished_attempt: 0,
  job_key: 0,
};

test("what has ended leaves nothing behind where jobs live, and goes with the day of its end", async () => {
  const first = await endedJob(at("2026-03-01T23:59"), "first");
  const second = await endedJob(at("2026-03-02T00:00"), "second");
  const live = await insert(at("2026-03-01T00:00"), "live");
  // Days that nobody has made ready are made.
  assert.equal(await move(), 2);
  const moved = { job: 1, job_spec: 1, attempt: 0, finished_job: 2, finished_attempt: 2 };
  assert.deepEqual(await countRows(), { ...moved, job_key: 3 });

  assert.deepEqual(await drop("2026-03-02T00:00"), [
    [at("2026-03-01T00:00")],
    [at("2026-03-01T00:00")],
  ]);
  const { jobs, attempts } = database.readers;
  assert.equal(await jobs.find(first.id), undefined);
  assert.deepEqual(await attempts.list(first.id), []);
  await assert.rejects(jobs.getSpec(first.id), { code: "not_found" });
  await assert.rejects(
    database.transact((stores) => stores.jobs.lock(first.id)),
    { code: "not_found" },
  );
  const page = await jobs.list({ tenantId: live.tenantId }, { limit: 10, token: null });
  assert.deepEqual(page.items, [second, live]);
});

test("a key is free once its job is gone, and keys of jobs that are gone are forgotten", async () => {
  for (const key of ["a", "b", "c"]) await endedJob(at("2026-03-01T12:00"), key);
  await insert(at("2026-03-01T11:00"), "live");
  assert.equal(await move(), 3);
  const forget = (text: string, limit: number, from: KeyPosition | null = null) =>
    database.transact(({ jobs }) => jobs.forgetKeys(at(text), limit, from));
  const keys = async () =>
    (await client.query("select key from job_key order by key")).rows.map(({ key }) => key);
  assert.equal(await forget("2026-04-01T00:00", 10), null);
  assert.deepEqual(await keys(), ["a", "b", "c", "live"]);
  await drop("2026-03-02T00:00");

  const again = aNewJob({ id: ids.next() as JobId }, { idempotencyKey: "a" });
  const fresh = aNewJob({ id: ids.next() as JobId }, { idempotencyKey: "d" });
  const twice = aNewJob({ id: ids.next() as JobId }, { idempotencyKey: "a" });
  assert.deepEqual(await database.insertJobs([again, fresh, twice]), [
    { job: again.job, created: true },
    { job: fresh.job, created: true },
    { job: again.job, created: false },
  ]);
  assert.equal(await forget("2026-03-01T00:00", 10), null);
  assert.deepEqual(await keys(), ["a", "b", "c", "d", "live"]);
  // One after the other, past those that stay.
  let from: KeyPosition | null = null;
  const left: number[] = [];
  do {
    from = await forget("2026-04-01T00:00", 1, from);
    left.push((await keys()).length);
  } while (from !== null);
  assert.equal(left[0], 5, "the oldest is there, and is looked at once");
  assert.equal(left.at(-1), 3);
  assert.deepEqual(await keys(), ["a", "d", "live"]);
});

test("jobs that are kept for long go later, and one batch makes all the days that it needs", async () => {
  await drop("2026-05-01T00:00");
  const jobs: Job[] = [];
  for (let day = 1; day <= 9; day += 1) jobs.push(await endedJob(at(`2026-05-0${day}T12:00`)));
  const [first, last] = [jobs[0], jobs.at(-1)];
  assert.ok(first && last);
  // The first ended goes last.
  const keptUntil = ({ finishedAt }: EndedJob) =>
    new Date(
      at("2026-06-20T00:00").getTime() - finishedAt.getTime() + at("2026-05-01T00:00").getTime(),
    );
  assert.equal(await move(100, keptUntil), 9);
  const until = await database.readers.jobs.findKeptUntil(last.id);
  assert.deepEqual(until, at("2026-06-11T12:00"));
  const goneDays = [at("2026-06-11T00:00")];
  assert.deepEqual(await drop("2026-06-12T00:00"), [goneDays, goneDays]);
  assert.equal(await database.readers.jobs.find(last.id), undefined);
  assert.deepEqual(await database.readers.jobs.find(first.id), first);
  assert.equal((await drop("2026-06-20T00:00"))[0]?.length, 8);
  assert.deepEqual(await countRows(), EMPTY);
});

test("of many calls with the key of a job that is gone exactly one makes the job", async () => {
  await endedJob(at("2026-03-01T12:00"), "once");
  await move();
  await drop("2026-03-02T00:00");
  const calls = Array.from({ length: 20 }, () =>
    database.transact(({ jobs }) =>
      jobs.insert([aNewJob({ id: ids.next() as JobId }, { idempotencyKey: "once" })]),
    ),
  );
  const inserted = (await Promise.all(calls)).flat();
  assert.equal(inserted.filter(({ created }) => created).length, 1);
  assert.equal(new Set(inserted.map(({ job }) => job.id)).size, 1);
});

test("while jobs move, every reader finds each exactly once, and each moves once", async () => {
  const keys = Array.from({ length: 60 }, (_, index) => `key-${index}`);
  const jobs: Job[] = [];
  for (const key of keys) jobs.push(await endedJob(at("2026-03-01T12:00"), key));
  const [first] = jobs;
  assert.ok(first);
  let movedCount = 0;
  const mover = async (): Promise<void> => {
    for (let count = await move(3); count > 0; count = await move(3)) movedCount += count;
  };
  const movers = Promise.all([mover(), mover()]);
  let isMoving = true;
  const stopped = movers.finally(() => {
    isMoving = false;
  });
  const { readers } = database;
  const expected = jobs.map(({ id }) => id).toSorted();
  do {
    const page = await readers.jobs.list({ tenantId: first.tenantId }, { limit: 100, token: null });
    assert.deepEqual(page.items.map(({ id }) => id).toSorted(), expected);
    for (const job of jobs.slice(0, 60)) assert.deepEqual(await readers.jobs.find(job.id), job);
    const repeats = keys.map((idempotencyKey) =>
      aNewJob({ id: ids.next() as JobId }, { idempotencyKey }),
    );
    const known = await database.insertJobs(repeats);
    assert.deepEqual(
      known,
      jobs.map((job) => ({ job, created: false })),
    );
  } while (isMoving);
  await stopped;
  assert.equal(movedCount, 60);
});

test("a log is found after its job has moved, and its day goes as it would have", async () => {
  const logs = newLogStore(postgres.url);
  const logDays = logPartitions(postgres.url);
  try {
    const { id } = await insert(at("2026-03-01T10:00"));
    const startedAt = at("2026-03-01T11:00");
    const assigned = anAttempt({ jobId: id, assignedAt: startedAt });
    const attempt = applyAttemptEvent(assigned, { type: "started", at: startedAt });
    const ref = { jobId: id, attempt: 1, leaseToken: attempt.leaseToken };
    await putAttempt(database, attempt);
    const run = {
      stream: "stdout",
      lengthBytes: 4,
      at: at("2026-03-01T11:00"),
      gap: null,
    } as const;
    const data = Buffer.from("text");
    const batch = { ref, offset: 0, data, compression: "none", segments: [run] } as const;
    await logs.append([batch]);
    const outcome = outcomeOf("cancelled_by", "");
    const end = new Date(at("2026-03-01T11:00").getTime() + 3 * DAY_MS);
    const closing = { outcome, at: end, logBytes: 4, processesLeft: 0, usage: null };
    await putAttempt(database, applyAttemptEvent(attempt, { type: "cancelled", ...closing }));
    await database.transact(async ({ jobs }) => {
      const event: JobEvent = { type: "cancelled", at: end, outcome };
      await jobs.update(applyJobEvents(await jobs.lock(id), [event]), [event]);
    });
    assert.equal(await move(), 1);
    assert.equal(await logs.durableOffset(id, 1), 4);
    const [late] = await logs.append([{ ...batch, offset: 4 }]);
    assert.equal(late?.kind, "refused");
    assert.deepEqual(await logDays.drop(at("2026-03-04T10:59")), []);
    assert.deepEqual(await logDays.drop(at("2026-03-04T11:00")), [at("2026-03-01T00:00")]);
    assert.equal(await logs.durableOffset(id, 1), 0);
  } finally {
    await logDays.stop();
    await logs.stop();
  }
});
