import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { PlatformError } from "@hodei/domain";
import { GroupCommit, type GroupCommitOptions } from "./group-commit.ts";

/** A flush that the test ends when it wants to. */
interface Flush {
  readonly inputs: readonly number[];
  readonly done: PromiseWithResolvers<readonly string[]>;
}

function createGroup(parts: Partial<GroupCommitOptions<number, string>> = {}) {
  const flushes: Flush[] = [];
  const group = new GroupCommit<number, string>({
    what: "numbers",
    flushesInFlightMax: 1,
    waitingSizeMax: 1_000,
    waitMaxMs: 60_000,
    sizeOf: (input) => input,
    fit: (inputs) => inputs.length <= 3,
    store: (inputs) => {
      const done = Promise.withResolvers<readonly string[]>();
      flushes.push({ inputs, done });
      return done.promise;
    },
    ...parts,
  });
  const succeed = async (flush: number) => {
    const { inputs, done } = flushes[flush] ?? assert.fail(`no flush ${flush}`);
    done.resolve(inputs.map((input) => `stored ${input}`));
    await new Promise(setImmediate);
  };
  const fail = async (flush: number, error: Error) => {
    flushes[flush]?.done.reject(error);
    await new Promise(setImmediate);
  };
  return { group, flushes, succeed, fail, stored: () => flushes.map(({ inputs }) => inputs) };
}

test("the first goes at once; those that come meanwhile share the next flush", async () => {
  const { group, succeed, stored } = createGroup();
  const results = Promise.all([1, 2, 3, 4, 5].map((input) => group.submit(input)));
  assert.deepEqual(stored(), [[1]]);
  await succeed(0);
  assert.deepEqual(stored(), [[1], [2, 3, 4]]);
  await succeed(1);
  await succeed(2);
  assert.deepEqual(await results, ["stored 1", "stored 2", "stored 3", "stored 4", "stored 5"]);
});

test("several flushes may be under way", async () => {
  const { group, succeed, stored } = createGroup({ flushesInFlightMax: 2 });
  const results = Promise.all([1, 2, 3].map((input) => group.submit(input)));
  assert.deepEqual(stored(), [[1], [2]]);
  await succeed(1);
  assert.deepEqual(stored(), [[1], [2], [3]]);
  await succeed(2);
  await succeed(0);
  await results;
});

test("what does not fit with others goes alone", async () => {
  const { group, succeed, stored } = createGroup({ fit: () => false });
  const results = Promise.all([1, 2].map((input) => group.submit(input)));
  await succeed(0);
  assert.deepEqual(stored(), [[1], [2]]);
  await succeed(1);
  await results;
});

test("after a failed flush each is stored by itself, so that a bad one fails alone", async () => {
  const { group, succeed, fail, stored } = createGroup();
  const bad = new PlatformError("internal", "database_error", "bad row");
  const results = Promise.allSettled([1, 2, 3, 4].map((input) => group.submit(input)));
  await succeed(0);
  await fail(1, bad);
  await succeed(2);
  await fail(3, bad);
  await succeed(4);
  assert.deepEqual(stored(), [[1], [2, 3, 4], [2], [3], [4]]);
  assert.deepEqual(
    (await results).map(({ status }) => status),
    ["fulfilled", "fulfilled", "rejected", "fulfilled"],
  );
});

test("when the connection was lost nothing is tried again: it may have been stored", async () => {
  const { group, succeed, fail, stored } = createGroup();
  const lost = new PlatformError("unavailable", "database_unreachable", "gone");
  const results = Promise.allSettled([1, 2, 3].map((input) => group.submit(input)));
  await succeed(0);
  await fail(1, lost);
  assert.deepEqual(stored(), [[1], [2, 3]]);
  assert.deepEqual(
    (await results).map(({ status }) => status),
    ["fulfilled", "rejected", "rejected"],
  );
});

test("beyond the bound calls are refused, and taken again once there is room", async () => {
  const { group, succeed } = createGroup({ waitingSizeMax: 10 });
  const results = [group.submit(1), group.submit(5), group.submit(5)];
  await assert.rejects(group.submit(1), { code: "resource_exhausted", reason: "queue_full" });
  await succeed(0);
  results.push(group.submit(1));
  await succeed(1);
  await succeed(2);
  await Promise.all(results);
});

test("idle waits for what waits", async () => {
  const { group, succeed } = createGroup();
  await group.idle();
  const results = [group.submit(1), group.submit(2)];
  let idle = false;
  const waiting = group.idle().then(() => {
    idle = true;
  });
  await succeed(0);
  assert.equal(idle, false);
  await succeed(1);
  await waiting;
  await Promise.all(results);
});

test("who waits for too long is refused and not stored; who came later is", async () => {
  const { group, succeed, stored } = createGroup({ waitMaxMs: 50, waitingSizeMax: 3 });
  const first = group.submit(1);
  const late = group.submit(2);
  await assert.rejects(late, { code: "unavailable", reason: "database_busy" });
  const next = group.submit(3);
  await succeed(0);
  await succeed(1);
  assert.deepEqual(await Promise.all([first, next]), ["stored 1", "stored 3"]);
  assert.deepEqual(stored(), [[1], [3]]);
});

test("after a flush that took too long the others are refused, and not each stored as slowly", async () => {
  const { group, fail, stored } = createGroup({ waitMaxMs: 50 });
  const slow = new PlatformError("deadline_exceeded", "statement_timeout", "took too long");
  const [first, ...others] = [1, 2, 3, 4].map((input) =>
    group.submit(input).catch((error) => error),
  );
  await fail(0, slow);
  assert.equal(await first, slow);
  assert.deepEqual(stored(), [[1], [2, 3, 4]]);
  await delay(60); // as long as the statement takes to time out
  await fail(1, slow);
  assert.deepEqual(stored(), [[1], [2, 3, 4]], "nothing of them is tried anew");
  const reasons = (await Promise.all(others)).map(({ reason }) => reason);
  assert.deepEqual(reasons, ["database_busy", "database_busy", "database_busy"]);
});
