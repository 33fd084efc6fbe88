import assert from "node:assert/strict";
import { test } from "node:test";
import { type JobQueue, MeasuredQueue } from "./job-queue.ts";

/** Jobs end a turn after they were submitted. */
function openPromptQueue(batches: number[], parts: Partial<JobQueue> = {}) {
  return MeasuredQueue.open(async (onEnded) => ({
    over: new Promise(() => {}),
    async submit(count) {
      batches.push(count);
      setImmediate(onEnded, count);
    },
    close: async () => {},
    ...parts,
  }));
}

test("a run submits exactly its jobs, in batches, and lasts until all have ended", async () => {
  const batches: number[] = [];
  const queue = await openPromptQueue(batches);
  assert.ok((await queue.run(2_500)) > 0);
  assert.deepEqual(
    batches.toSorted((a, b) => b - a),
    [1_000, 1_000, 500],
  );
  assert.ok((await queue.run(1)) > 0);
  assert.equal(batches.at(-1), 1);
});

test("a run fails with what breaks the queue", async () => {
  const broken = Promise.withResolvers<never>();
  const queue = await openPromptQueue([], {
    over: broken.promise,
    submit: async () => broken.reject(new Error("the session ended")),
  });
  await assert.rejects(queue.run(1), /the session ended/);
});
