import assert from "node:assert/strict";
import { test } from "node:test";
import { aJobSpec, ManualClock, MemoryDatabase } from "@hodei/testkit";
import { cancelJob } from "./cancel-job.ts";
import { DueJobs, type DueJobsDeps } from "./due-jobs.ts";
import { explainJob } from "./explain-job.ts";
import {
  ALICE,
  connectedWorker,
  find,
  running,
  settled,
  submit,
  testDeps,
} from "./fixtures.test.ts";
import { scheduleJobs } from "./schedule-jobs.ts";
import { DEFAULT_SETTINGS } from "./settings.ts";
import { Signals } from "./signals.ts";

const SETTINGS = { pollIntervalMs: 1_000, scheduleLimitCount: 3 };

/** Due jobs over a database that other replicas may change too, with the reads that they make. */
function scene() {
  const signals = new Signals(new ManualClock());
  let isElsewhere = false;
  const database = new MemoryDatabase({
    onCommit: (events, inserted) => {
      if (!isElsewhere) signals.onCommit(events, inserted);
    },
  });
  const deps = testDeps({ signals, database });
  const { jobs: reader } = database.readers;
  const reads: string[] = [];
  let failure: Error | undefined;
  let paused: Promise<void> | undefined;
  const read = async <Result>(what: string, result: Promise<Result>): Promise<Result> => {
    reads.push(what);
    if (failure !== undefined) throw failure;
    const found = await result;
    await paused;
    return found;
  };
  const jobs: DueJobsDeps["jobs"] = {
    listDue: (now, limit) => read("all", reader.listDue(now, limit)),
    listDueAfter: (position, now, limit) => reader.listDueAfter(position, now, limit),
    findDue: (ids, now) => read(`${ids.length} changed`, reader.findDue(ids, now)),
    nextDueAt: (now) => reader.nextDueAt(now),
  };
  const dueJobs = new DueJobs({ signals, jobs, settings: SETTINGS });
  return {
    deps,
    dueJobs,
    list: async () => {
      const { candidates } = await dueJobs.list(deps.clock.now());
      return candidates.map(({ jobId }) => jobId).toSorted();
    },
    /** Submits a job as another replica does: nobody here is told. */
    submitElsewhere: async () => {
      isElsewhere = true;
      const job = await submit(deps);
      isElsewhere = false;
      return job;
    },
    fail: (error: Error | undefined) => {
      failure = error;
    },
    /** Lets answers of the database wait until the result is called. */
    pauseReads: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      paused = promise;
      return resolve;
    },
    takeReads: () => reads.splice(0),
  };
}

test("all that waits is read once, then only what was changed here", async () => {
  const { deps, list, takeReads } = scene();
  const first = await submit(deps);
  assert.deepEqual(await list(), [first.id]);
  assert.deepEqual(takeReads(), ["all"]);
  assert.deepEqual(await list(), [first.id]);
  assert.deepEqual(takeReads(), []);
  const second = await submit(deps);
  await cancelJob(deps, ALICE, first.id);
  assert.deepEqual(await list(), [second.id]);
  assert.deepEqual(takeReads(), [], "what is new and what has ended is known");
  deps.signals.onCommit([
    { subjectType: "job", subjectId: second.id, type: "job.unblocked" } as never,
  ]);
  assert.deepEqual(await list(), [second.id]);
  assert.deepEqual(takeReads(), ["1 changed"]);
});

test("a new job is there at once, unless its time has not come, and no longer than it may wait", async () => {
  const { deps, list, dueJobs, takeReads, pauseReads } = scene();
  await list();
  takeReads();
  await submit(deps, { notBefore: new Date(deps.clock.now().getTime() + 100) });
  const { id } = await submit(deps, { timeouts: { ...aJobSpec().timeouts, queueMs: 400 } });
  const { candidates, nextDueAt } = await dueJobs.list(deps.clock.now());
  assert.deepEqual(
    candidates.map(({ jobId }) => jobId),
    [id],
  );
  const [stored] = await deps.database.readers.jobs.listDue(deps.clock.now(), 1);
  assert.deepEqual(candidates[0], stored);
  assert.equal(nextDueAt?.getTime(), deps.clock.now().getTime() + 100);
  await deps.clock.advance(100);
  assert.equal((await list()).length, 2);
  await deps.clock.advance(300);
  assert.equal((await list()).length, 1);
  const resume = pauseReads();
  deps.dueJobs.forget();
  await deps.clock.advance(SETTINGS.pollIntervalMs);
  const listed = list();
  await settled();
  await submit(deps);
  resume();
  await listed;
  assert.equal((await list()).length, 2, "it came while all were read");
});

test("a job that stops waiting while it is read is not there afterwards, and one that waits again is", async () => {
  for (const isAgain of [false, true]) {
    const { deps, list, pauseReads } = scene();
    const { id } = await submit(deps);
    const resume = pauseReads();
    const listed = list();
    await settled();
    const at = deps.clock.now();
    const told = (type: string) =>
      deps.signals.onCommit([{ subjectType: "job", subjectId: id, type, at } as never]);
    told("job.assigned");
    if (isAgain) told("job.lease_expired");
    resume();
    assert.deepEqual(await listed, isAgain ? [id] : []);
    assert.deepEqual(await list(), isAgain ? [id] : []);
  }
});

test("a job whose time comes is there then, and the time is told before", async () => {
  const { deps, dueJobs, list } = scene();
  const notBefore = new Date(deps.clock.now().getTime() + 300);
  const { id } = await submit(deps, { notBefore });
  const { candidates, nextDueAt } = await dueJobs.list(deps.clock.now());
  assert.deepEqual(candidates, []);
  assert.deepEqual(nextDueAt, notBefore);
  await deps.clock.advance(300);
  assert.deepEqual(await list(), [id]);
});

test("what other replicas changed is seen when they say so", async () => {
  const { deps, list, submitElsewhere } = scene();
  await list();
  const { id } = await submitElsewhere();
  assert.deepEqual(await list(), []);
  deps.signals.notifyAll();
  assert.deepEqual(await list(), [id]);
});

test("what other replicas changed is seen after the poll interval without a word", async () => {
  const { deps, list, submitElsewhere } = scene();
  await list();
  const { id } = await submitElsewhere();
  await deps.clock.advance(SETTINGS.pollIntervalMs);
  assert.deepEqual(await list(), [id]);
});

test("a reading that failed is made up for", async () => {
  const { deps, list, submitElsewhere, fail, takeReads } = scene();
  const first = await submit(deps);
  await list();
  const second = await submitElsewhere();
  deps.signals.notifyAll();
  fail(new Error("the database is away"));
  await assert.rejects(list(), /away/);
  fail(undefined);
  takeReads();
  assert.deepEqual(await list(), [first.id, second.id].toSorted());
  assert.deepEqual(takeReads(), ["all"]);
});

test("when more than twice the schedule limit has gathered, the most urgent are kept", async () => {
  const { deps, list, takeReads } = scene();
  await list();
  takeReads();
  for (let count = 0; count < 7; count += 1) await submit(deps);
  assert.equal((await list()).length, SETTINGS.scheduleLimitCount);
  assert.deepEqual(takeReads(), ["all"]);
});

test("jobs that wait for a key do not keep others of their tenant from a free worker for ever", async () => {
  const settings = { ...DEFAULT_SETTINGS, scheduleLimitCount: 5 };
  const deps = testDeps({ settings });
  const { peer } = await connectedWorker(deps);
  const concurrency = { key: "deploy", limit: 1, onConflict: "queue" } as const;
  await running(deps, peer, { concurrency });
  for (let count = 0; count < 5; count += 1) await submit(deps, { concurrency });
  await deps.clock.advance(1);
  const free = await submit(deps);
  // As after a commit of another replica, a retry that falls due, or when the worker was full for a second.
  deps.dueJobs.forget();
  for (let turn = 0; turn < 100; turn += 1) {
    await scheduleJobs(deps);
    await deps.clock.advance(settings.pollIntervalMs);
  }
  const { reasons } = await explainJob(deps, ALICE, free.id);
  assert.equal(
    (await find(deps, free)).state,
    "assigned",
    `after 100 turns explain says: ${reasons[0]?.code}: ${reasons[0]?.message}`,
  );
});
