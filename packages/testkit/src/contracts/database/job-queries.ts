import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createJobSpec,
  DEFAULT_TENANT_ID,
  invariant,
  type Job,
  type JobId,
  needOf,
  outcomeOf,
  type TenantId,
  type WorkerId,
} from "@hodei/domain";
import { after, aJobSpec } from "../../builders.ts";
import type { Open } from "./scene.ts";

const NO_TIMEOUTS = { queueMs: null, runMs: null, graceMs: 0 };

/** What scheduler and reconcilers look for. */
export function testJobQueries(open: Open): void {
  testDueJobs(open);
  testDueTenants(open);
  testHeldJobs(open);
  testPreemptedJobs(open);
  testOverdueJobs(open);
  testOverdueCancels(open);
}

function testDueJobs(open: Open): void {
  test("due jobs are the pending ones whose time has come, most urgent first", async (context) => {
    const scene = await open(context);
    const { jobs } = scene.database.readers;
    const second = await scene.pendingJob({ createdAtMs: 1 });
    const third = await scene.pendingJob({ createdAtMs: 1 });
    const fourth = await scene.pendingJob({ createdAtMs: 2 });
    const concurrency = { key: "deploy", limit: 2, onConflict: "queue" } as const;
    const rateLimit = { key: "api", count: 5, perMs: 1_000 };
    const limits = { concurrency, rateLimit };
    const first = await scene.pendingJob({ createdAtMs: 3, spec: { priority: 5, ...limits } });
    const last = await scene.pendingJob({ createdAtMs: 0, spec: { priority: -5 } });
    const later = await scene.pendingJob({ spec: { notBefore: after(100) } });
    await scene.assignedJob();
    await scene.succeededJob();
    const order = [first, second, third, fourth, last];
    const due = await jobs.listDue(after(99), 10);
    assert.deepEqual(
      due,
      order.map((job) => ({
        ...needOf(job),
        jobId: job.id,
        version: job.version,
        priority: job.policy.priority,
        urgentSince: job.urgentSince,
        concurrency: job.policy.concurrency,
        rateLimit: job.policy.rateLimit,
        claimedWorkerId: null,
      })),
    );
    assert.deepEqual(await jobs.listDue(after(99), 2), due.slice(0, 2));
    assert.deepEqual(await jobs.listDueAfter(null, after(99), 2), due.slice(0, 2));
    assert.deepEqual(await jobs.listDueAfter(due[1] ?? null, after(99), 2), due.slice(2, 4));
    assert.deepEqual(await jobs.listDueAfter(due.at(-1) ?? null, after(99), 2), []);
    const some = [first.id, later.id, scene.ids.next() as JobId];
    assert.deepEqual(await jobs.findDue(some, after(99)), due.slice(0, 1));
    assert.equal((await jobs.findDue(some, after(100))).length, 2);
    const dueLater = await jobs.listDue(after(100), 10);
    assert.ok(dueLater.some(({ jobId }) => jobId === later.id));
  });

  test("the next due time is the earliest start or queue deadline to come", async (context) => {
    const scene = await open(context);
    const { jobs } = scene.database.readers;
    assert.equal(await jobs.nextDueAt(after(0)), null);
    await scene.pendingJob({ spec: { notBefore: after(500) } });
    assert.deepEqual(await jobs.nextDueAt(after(0)), after(500));
    await scene.pendingJob({ spec: { timeouts: { ...NO_TIMEOUTS, queueMs: 300 } } });
    assert.deepEqual(await jobs.nextDueAt(after(0)), after(300));
    assert.deepEqual(await jobs.nextDueAt(after(300)), after(500));
    assert.equal(await jobs.nextDueAt(after(500)), null);
    await scene.succeededJob({ spec: { timeouts: { ...NO_TIMEOUTS, queueMs: 9_000 } } });
    assert.equal(await jobs.nextDueAt(after(500)), null);
  });
}

function testDueTenants(open: Open): void {
  test("the limit is shared out evenly, so no tenant hides the jobs of others", async (context) => {
    const scene = await open(context);
    const [many, some, few] = ["many", "some", "few"] as TenantId[];
    const of = async (tenantId: TenantId | undefined, count: number, fromMs: number) => {
      invariant(tenantId !== undefined, "each has a name");
      const jobs: Job[] = [];
      while (jobs.length < count) {
        jobs.push(await scene.pendingJob({ tenantId, createdAtMs: fromMs + jobs.length }));
      }
      return jobs;
    };
    const ofMany = await of(many, 9, 0);
    const ofSome = await of(some, 5, 100);
    const ofFew = await of(few, 1, 200);
    const listed = async (limit: number) =>
      (await scene.database.readers.jobs.listDue(after(1_000), limit)).map(({ jobId }) => jobId);
    const expected = (manyCount: number, someCount: number, fewCount: number) =>
      [
        ...ofMany.slice(0, manyCount),
        ...ofSome.slice(0, someCount),
        ...ofFew.slice(0, fewCount),
      ].map(({ id }) => id);
    assert.deepEqual(await listed(15), expected(9, 5, 1));
    assert.deepEqual(await listed(9), expected(5, 3, 1), "what one leaves is for the most urgent");
    assert.deepEqual(await listed(3), expected(1, 1, 1));
    assert.deepEqual(await listed(2), expected(1, 1, 0), "more tenants than places");
    assert.deepEqual(await listed(1), expected(1, 0, 0));
  });
}

function testHeldJobs(open: Open): void {
  test("what workers hold is told for assigned and running jobs only", async (context) => {
    const scene = await open(context);
    const [a, b] = [scene.ids.next() as WorkerId, scene.ids.next() as WorkerId];
    const { requirements } = createJobSpec({ kind: "command", argv: ["x"] });
    const large = { ...requirements, cpuMillis: 4_000 };
    const other = "other" as TenantId;
    const assigned = await scene.assignedJob({ workerId: a });
    const running = await scene.runningJob(
      { workerId: b },
      { spec: { requirements: large }, tenantId: other },
    );
    await scene.pendingJob();
    await scene.succeededJob();
    const held = await scene.database.readers.jobs.listHeld();
    const plain = { priority: 0, isPreemptible: false, isEnding: false, endingFor: null };
    assert.deepEqual(
      held.toSorted((x, y) => (x.workerId < y.workerId ? -1 : 1)),
      [
        {
          ...plain,
          jobId: assigned.id,
          workerId: a,
          tenantId: DEFAULT_TENANT_ID,
          requirements,
          startedAt: null,
        },
        {
          ...plain,
          jobId: running.id,
          workerId: b,
          tenantId: other,
          requirements: large,
          startedAt: running.startedAt,
        },
      ],
    );
  });

  test("the last ends are those of jobs that have started", async (context) => {
    const scene = await open(context);
    const other = "other" as TenantId;
    const { readers } = scene.database;
    assert.deepEqual(await readers.jobs.listLastEnds(9), []);
    await scene.runningJob();
    const first = await scene.succeededJob();
    const second = await scene.succeededJob({ tenantId: other });
    const ended = (job: Job, atMs: number) =>
      scene.change(job, {
        type: "cancelled",
        at: after(atMs),
        outcome: outcomeOf("cancelled_by", ""),
      } as const);
    await ended(await scene.pendingJob(), 1_000_000);
    const endOf = ({ tenantId, finishedAt: at }: Job) => ({ tenantId, at });
    const all = [endOf(second), endOf(first)];
    assert.deepEqual(await readers.jobs.listLastEnds(9), all);
    assert.deepEqual(await readers.jobs.listLastEnds(2), all.slice(0, 1), "one never started");
  });

  test("the jobs of workers are the assigned and running ones", async (context) => {
    const scene = await open(context);
    const [a, b] = [scene.ids.next() as WorkerId, scene.ids.next() as WorkerId];
    const assigned = await scene.assignedJob({ workerId: a });
    const running = await scene.runningJob({ workerId: a });
    const ofOther = await scene.runningJob({ workerId: b });
    const list = async (...workerIds: WorkerId[]) =>
      (await scene.database.readers.jobs.listOfWorkers(workerIds)).toSorted((x, y) =>
        x.id < y.id ? -1 : 1,
      );
    assert.deepEqual(await list(a), [assigned, running]);
    assert.deepEqual(await list(a, b), [assigned, running, ofOther]);
    assert.deepEqual(await list(), []);
    assert.deepEqual(await list(scene.ids.next() as WorkerId), []);
  });
}

function testPreemptedJobs(open: Open): void {
  test("what some jobs hold is what they have among all", async (context) => {
    const scene = await open(context);
    const { jobs } = scene.database.readers;
    const [running, waiting] = [await scene.runningJob(), await scene.pendingJob()];
    const others = [await scene.assignedJob(), await scene.succeededJob()];
    const all = await jobs.listHeld();
    const own = all.filter(({ jobId }) => jobId === running.id);
    assert.equal(own.length, 1);
    assert.deepEqual(await jobs.findHeld([running.id, waiting.id]), own);
    assert.equal((await jobs.findHeld(others.map(({ id }) => id))).length, 1);
    assert.deepEqual(await jobs.findHeld([]), []);
  });

  test("of what is held is told what may end, what is ending and for whom", async (context) => {
    const scene = await open(context);
    const preemptible = { preemptible: true, priority: -7 };
    const by = await scene.pendingJob();
    const may = await scene.runningJob({}, { spec: preemptible });
    const ending = await scene.runningJob({}, { spec: preemptible });
    const asked = { type: "preempt_requested", at: after(500), byJobId: by.id } as const;
    const gone = await scene.change(ending, asked);
    assert.deepEqual(await scene.database.readers.jobs.get(gone.id), gone);
    const cancelled = await scene.runningJob();
    await scene.change(cancelled, { type: "cancel_requested", at: after(500), by: "x" });
    const held = await scene.database.readers.jobs.listHeld();
    const told = new Map(
      held.map(({ jobId, priority, isPreemptible, isEnding, endingFor }) => [
        jobId,
        [priority, isPreemptible, isEnding, endingFor],
      ]),
    );
    assert.deepEqual(told.get(may.id), [-7, true, false, null]);
    assert.deepEqual(told.get(ending.id), [-7, true, true, by.id]);
    assert.deepEqual(told.get(cancelled.id), [0, false, true, null]);
  });

  test("a job that gave up its place waits for another, and is told of what was promised", async (context) => {
    const scene = await open(context);
    const by = await scene.pendingJob();
    const job = await scene.runningJob({}, { spec: { preemptible: true } });
    const asked = { type: "preempt_requested", at: after(500), byJobId: by.id } as const;
    const ending = await scene.change(job, asked);
    const outcome = outcomeOf("preempted", "");
    const waiting = await scene.change(ending, { type: "preempted", at: after(600), outcome });
    const { jobs } = scene.database.readers;
    assert.deepEqual(await jobs.get(job.id), waiting);
    assert.deepEqual([waiting.preemptionCount, waiting.preemption?.byJobId], [1, by.id]);
    const workerId = scene.ids.next() as WorkerId;
    const victimIds = [job.id];
    await scene.change(by, { type: "room_claimed", at: after(500), workerId, victimIds });
    const due = await jobs.listDue(after(60_000), 10);
    const claims = new Map(due.map(({ jobId, claimedWorkerId }) => [jobId, claimedWorkerId]));
    assert.deepEqual([claims.get(by.id), claims.get(job.id)], [workerId, null]);
    const dueBefore = await jobs.listDue(new Date(by.runAt.getTime() - 1), 10);
    assert.ok(
      dueBefore.some(({ jobId }) => jobId === by.id),
      "it was due when room was made for it",
    );
  });
}

function testOverdueJobs(open: Open): void {
  test("unacknowledged jobs are assigned ones past their time, oldest first", async (context) => {
    const scene = await open(context);
    const { jobs } = scene.database.readers;
    const second = await scene.assignedJob({ acknowledgeBy: after(200) });
    const first = await scene.assignedJob({ acknowledgeBy: after(100) });
    await scene.assignedJob({ acknowledgeBy: after(301) });
    await scene.runningJob();
    assert.deepEqual(await jobs.listUnacknowledged(after(300), 10), [first, second]);
    assert.deepEqual(await jobs.listUnacknowledged(after(300), 1), [first]);
    assert.deepEqual(await jobs.listUnacknowledged(after(99), 10), []);
  });

  test("the queue time-out ends with the first start", async (context) => {
    const scene = await open(context);
    const { jobs } = scene.database.readers;
    const spec = { timeouts: { ...NO_TIMEOUTS, queueMs: 1_000 } };
    const second = await scene.pendingJob({ spec, createdAtMs: 10 });
    const first = await scene.pendingJob({ spec, createdAtMs: 5 });
    await scene.assignedJob({}, { spec });
    const retried = await scene.runningJob({}, { spec });
    await scene.change(retried, {
      type: "retry_scheduled",
      at: after(20),
      runAt: after(20),
      outcome: outcomeOf("worker_lost", ""),
    });
    assert.deepEqual(await jobs.listQueueTimedOut(after(1_010), 10), [first, second]);
    assert.deepEqual(await jobs.listQueueTimedOut(after(1_010), 1), [first]);
    assert.deepEqual(await jobs.listQueueTimedOut(after(1_004), 10), []);
  });

  test("a deadline ends every wait, and what has waited to its end is not due any more", async (context) => {
    const scene = await open(context);
    const { jobs } = scene.database.readers;
    const spec = { deadline: after(1_000) };
    const waiting = await scene.pendingJob({ spec });
    const started = await scene.runningJob({}, { spec });
    const retried = await scene.change(started, {
      type: "retry_scheduled",
      at: after(20),
      runAt: after(20),
      outcome: outcomeOf("worker_lost", ""),
    });
    assert.deepEqual(retried.deadline, after(1_000));
    const both = [waiting.id, retried.id].toSorted();
    const ids = (found: readonly { readonly id: string }[]) => found.map(({ id }) => id).toSorted();
    assert.deepEqual(ids(await jobs.listQueueTimedOut(after(999), 10)), []);
    assert.deepEqual(ids(await jobs.listQueueTimedOut(after(1_000), 10)), both);
    const due = async (nowMs: number) =>
      (await jobs.listDue(after(nowMs), 10)).map(({ jobId }) => jobId).toSorted();
    assert.deepEqual(await due(999), both);
    assert.deepEqual(await due(1_000), []);
  });

  test("unfinished jobs are counted until they end", async (context) => {
    const scene = await open(context);
    await scene.pendingJob({ spec: aJobSpec({ notBefore: after(1_000_000) }) });
    await scene.assignedJob();
    await scene.runningJob();
    await scene.succeededJob();
    assert.equal(await scene.database.readers.jobs.countUnfinished(), 3);
  });
}

function testOverdueCancels(open: Open): void {
  test("overdue cancels are of running jobs whose own grace is over", async (context) => {
    const scene = await open(context);
    const { jobs } = scene.database.readers;
    const cancelled = async (graceMs: number, atMs: number) => {
      const spec = { timeouts: { ...NO_TIMEOUTS, graceMs } };
      const event = { type: "cancel_requested", at: after(atMs), by: "alice" } as const;
      return scene.change(await scene.runningJob({}, { spec }), event);
    };
    const second = await cancelled(1_000, 10);
    const first = await cancelled(100, 20);
    await cancelled(5_000, 5);
    await scene.runningJob();
    await scene.succeededJob();
    const event = { type: "cancel_requested", at: after(1), by: "alice" } as const;
    await scene.change(await scene.assignedJob(), event);
    assert.deepEqual(await jobs.listCancelOverdue(after(1_010), 10), [first, second]);
    assert.deepEqual(await jobs.listCancelOverdue(after(1_009), 10), [first]);
    assert.deepEqual(await jobs.listCancelOverdue(after(1_010), 1), [first]);
  });

  test("to give up its place is overdue as a cancel is, by what was asked first", async (context) => {
    const scene = await open(context);
    const { jobs } = scene.database.readers;
    const spec = { timeouts: { ...NO_TIMEOUTS, graceMs: 100 } };
    const byJobId = scene.ids.next() as JobId;
    const preempted = { type: "preempt_requested", at: after(10), byJobId } as const;
    const cancelled = { type: "cancel_requested", at: after(20), by: "alice" } as const;
    const job = await scene.change(await scene.runningJob({}, { spec }), preempted, cancelled);
    assert.deepEqual(await jobs.listCancelOverdue(after(109), 10), []);
    assert.deepEqual(await jobs.listCancelOverdue(after(110), 10), [job]);
    const outcome = outcomeOf("preempted", "");
    const other = await scene.change(await scene.runningJob({}, { spec }), preempted);
    await scene.change(other, { type: "preempted", at: after(50), outcome });
    assert.deepEqual(await jobs.listCancelOverdue(after(9_000), 10), [job]);
  });
}
