import assert from "node:assert/strict";
import { test } from "node:test";
import {
  applyAttemptEvent,
  applyJobEvent,
  type Job,
  type JobChange,
  type JobId,
  outcomeOf,
} from "@hodei/domain";
import { after } from "../../builders.ts";
import type { Open, Scene } from "./scene.ts";

/** Steps of jobs together with their attempts: in a transaction, and on their own. */
export function testJobChanges(open: Open): void {
  testChangeJob(open);
  testUpdateAll(open);
  testManyAtOnce(open);
}

function testChangeJob(open: Open): void {
  test("a change stores the job, its attempt and its events", async (context) => {
    const scene = await open(context);
    const change = await startOf(scene, await scene.assignedJob());
    const job = await scene.database.changeJob(change);
    assert.deepEqual(job, { ...change.job, version: change.job.version + 1 });
    assert.deepEqual(await scene.database.readers.jobs.get(change.job.id), job);
    assert.deepEqual(await attemptOf(scene, change.job), change.attempt);
    assert.deepEqual(scene.committedTypes, ["job.created", "job.assigned", "job.started"]);
  });

  test("a change of a job that moved on stores nothing and says so", async (context) => {
    const scene = await open(context);
    const assigned = await scene.assignedJob();
    const change = await startOf(scene, assigned);
    const event = { type: "cancel_requested", at: after(5), by: "somebody" } as const;
    const cancelled = await scene.change(assigned, event);
    const reported = scene.commits.length;
    assert.equal(await scene.database.changeJob(change), undefined);
    assert.deepEqual(await scene.database.readers.jobs.get(assigned.id), cancelled);
    assert.equal((await attemptOf(scene, assigned))?.state, "assigned");
    assert.equal(scene.commits.length, reported);
  });

  test("a change of a job that is not stored stores nothing", async (context) => {
    const scene = await open(context);
    const change = await startOf(scene, await scene.assignedJob());
    const id = scene.ids.next() as JobId;
    const unknown = { ...change, job: { ...change.job, id } };
    assert.equal(await scene.database.changeJob(unknown), undefined);
    assert.deepEqual(await scene.database.readers.attempts.list(id), []);
  });
}

function testUpdateAll(open: Open): void {
  test("a transaction stores the changes of many jobs, in the order asked for", async (context) => {
    const scene = await open(context);
    const changes: JobChange[] = [];
    for (let count = 0; count < 5; count += 1) {
      changes.push(await startOf(scene, await scene.assignedJob()));
    }
    changes.reverse();
    const ids = changes.map(({ job }) => job.id);
    await scene.database.transact(async ({ jobs }) => {
      const locked = await jobs.lockAll([...ids, scene.ids.next() as JobId]);
      assert.deepEqual(new Set(locked.map(({ id }) => id)), new Set(ids));
      const stored = await jobs.updateAll(changes);
      assert.deepEqual(
        stored.map(({ id, state }) => [id, state]),
        ids.map((id) => [id, "running"]),
      );
      assert.deepEqual(await jobs.updateAll([]), []);
    });
    const specs = await scene.database.readers.jobs.getSpecs(ids);
    for (const { job, attempt } of changes) {
      assert.deepEqual(await attemptOf(scene, job), attempt);
      assert.deepEqual(specs.get(job.id), await scene.database.readers.jobs.getSpec(job.id));
    }
  });

  test("one stale change among several fails the transaction", async (context) => {
    const scene = await open(context);
    const stale = await startOf(scene, await scene.assignedJob());
    await scene.database.changeJob(stale);
    const fresh = await startOf(scene, await scene.assignedJob());
    await assert.rejects(
      scene.database.transact(({ jobs }) => jobs.updateAll([fresh, stale])),
      { code: "conflict", reason: "stale_version" },
    );
    assert.equal((await scene.database.readers.jobs.get(fresh.job.id)).state, "assigned");
    assert.equal((await attemptOf(scene, fresh.job))?.state, "assigned");
  });
}

function testManyAtOnce(open: Open): void {
  test("changes that come together are each stored or refused by themselves", async (context) => {
    const scene = await open(context);
    const running: Job[] = [];
    for (let count = 0; count < 40; count += 1) running.push(await scene.runningJob());
    const event = { type: "cancel_requested", at: after(5), by: "somebody" } as const;
    const moved = running.filter((_, index) => index % 3 === 0);
    await Promise.all(moved.map((job) => scene.change(job, event)));
    const before = scene.commits.flat().length;
    // Each twice: of two results of one attempt, one is accepted.
    const changes = await Promise.all([...running, ...running].map((job) => endOf(scene, job)));
    const results = await Promise.all(changes.map((change) => scene.database.changeJob(change)));
    const accepted = new Map<JobId, number>();
    for (const job of results.filter((result) => result !== undefined)) {
      accepted.set(job.id, (accepted.get(job.id) ?? 0) + 1);
    }
    for (const job of running) {
      const isMoved = moved.includes(job);
      assert.equal(accepted.get(job.id) ?? 0, isMoved ? 0 : 1);
      const { state } = await scene.database.readers.jobs.get(job.id);
      assert.equal(state, isMoved ? "running" : "succeeded");
      assert.equal((await attemptOf(scene, job))?.state, state);
    }
    assert.equal(scene.commits.flat().length - before, running.length - moved.length);
  });
}

async function startOf(scene: Scene, job: Job): Promise<JobChange> {
  const event = { type: "started", at: after(3) } as const;
  return {
    job: applyJobEvent(job, event),
    events: [event],
    attempt: applyAttemptEvent(await storedAttempt(scene, job), event),
  };
}

async function endOf(scene: Scene, job: Job): Promise<JobChange> {
  const outcome = outcomeOf("completed", "");
  const event = { type: "succeeded", at: after(9), outcome } as const;
  return {
    job: applyJobEvent(job, event),
    events: [event],
    attempt: applyAttemptEvent(await storedAttempt(scene, job), {
      ...event,
      logBytes: 1,
      processesLeft: 0,
      usage: null,
    }),
  };
}

const attemptOf = ({ database }: Scene, { id, attempt }: Job) =>
  database.readers.attempts.find(id, attempt);

async function storedAttempt(scene: Scene, job: Job) {
  const attempt = await attemptOf(scene, job);
  assert.ok(attempt);
  return attempt;
}
