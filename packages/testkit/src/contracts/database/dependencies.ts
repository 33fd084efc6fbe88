import assert from "node:assert/strict";
import { test } from "node:test";
import type { Awaited, DependencyCondition, Job, JobId } from "@hodei/domain";
import { after } from "../../builders.ts";
import type { Open, Scene } from "./scene.ts";

const LIMIT = 100;

const ids = (jobs: readonly { readonly id: JobId }[]) => jobs.map(({ id }) => id).toSorted();

/** A stored job that waits for `others`. */
async function blockedJob(
  scene: Scene,
  condition: DependencyCondition,
  ...others: readonly Job[]
): Promise<Job> {
  const job = await scene.pendingJob({
    spec: { after: others.map(({ id }) => ({ jobId: id, condition })) },
  });
  await scene.database.transact(({ dependencies }) =>
    dependencies.insert(others.map(({ id }) => toAwaited(job, id, condition))),
  );
  return job;
}

const toAwaited = ({ id }: Job, afterId: JobId, condition: DependencyCondition): Awaited => ({
  jobId: id,
  afterId,
  condition,
});

export function testDependencies(open: Open): void {
  test("a blocked job is due only once it was let go, and ages from then on", async (context) => {
    const scene = await open(context);
    const { jobs } = scene.database.readers;
    const first = await scene.pendingJob();
    const blocked = await blockedJob(scene, "any", first);
    assert.equal((await jobs.get(blocked.id)).isBlocked, true);
    const due = async () => (await jobs.listDue(after(50), LIMIT)).map(({ jobId }) => jobId);
    assert.deepEqual(await due(), [first.id]);
    assert.deepEqual(await jobs.findDue([blocked.id], after(50)), []);
    await scene.change(blocked, { type: "unblocked", at: after(40) });
    assert.deepEqual(await due(), [first.id, blocked.id]);
    const [candidate] = await jobs.findDue([blocked.id], after(50));
    assert.deepEqual(candidate?.urgentSince, after(40));
    assert.deepEqual(await jobs.findDue([blocked.id], after(39)), []);
  });

  test("what waits for a job that has ended is found, by that job or by when it ended", async (context) => {
    const scene = await open(context);
    const { dependencies } = scene.database.readers;
    const ended = await scene.succeededJob();
    const alsoEnded = await scene.succeededJob();
    const running = await scene.runningJob();
    const both = await blockedJob(scene, "succeeded", ended, alsoEnded);
    const one = await blockedJob(scene, "failed", alsoEnded, running);
    await blockedJob(scene, "any", running);
    assert.deepEqual(
      (await dependencies.listSettled(after(0), LIMIT)).toSorted(),
      ids([both, one]),
    );
    assert.deepEqual(await dependencies.listSettled([ended.id, running.id], LIMIT), [both.id]);
    assert.deepEqual(await dependencies.listSettled([], LIMIT), []);
    const finishedAt = ended.finishedAt ?? assert.fail();
    assert.equal((await dependencies.listSettled(finishedAt, LIMIT)).length, 2);
    const later = new Date(finishedAt.getTime() + 1);
    assert.deepEqual(await dependencies.listSettled(later, LIMIT), []);
    assert.equal((await dependencies.listSettled(after(0), 1)).length, 1);
    assert.deepEqual(await dependencies.listOf([one.id]), [
      { ...toAwaited(one, alsoEnded.id, "failed"), afterState: "succeeded" },
      { ...toAwaited(one, running.id, "failed"), afterState: "running" },
    ]);
  });

  test("what was removed is waited for no more", async (context) => {
    const scene = await open(context);
    const { dependencies } = scene.database.readers;
    const first = await scene.succeededJob();
    const second = await scene.succeededJob();
    const blocked = await blockedJob(scene, "any", first, second);
    await scene.database.transact((stores) =>
      stores.dependencies.remove([toAwaited(blocked, first.id, "any")]),
    );
    assert.deepEqual(
      (await dependencies.listOf([blocked.id])).map(({ afterId }) => afterId),
      [second.id],
    );
    await scene.database.transact((stores) =>
      stores.dependencies.remove([toAwaited(blocked, second.id, "any")]),
    );
    assert.deepEqual(await dependencies.listSettled(after(0), LIMIT), []);
  });
}
