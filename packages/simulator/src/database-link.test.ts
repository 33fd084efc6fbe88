import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventRecord } from "@hodei/domain";
import { aNewJob, MemoryDatabase, MemoryLogStore, START } from "@hodei/testkit";
import { createConditions } from "./conditions.ts";
import { DatabaseLink } from "./database-link.ts";
import { RandomStream } from "./random.ts";
import { VirtualClock } from "./virtual-clock.ts";

const NEW_JOB = aNewJob();
const CANCEL = { type: "cancel_requested", at: START, by: "test" } as const;

function openLink() {
  const clock = new VirtualClock(START);
  const conditions = createConditions(clock);
  const events: EventRecord[] = [];
  const database = new MemoryDatabase({ onCommit: (committed) => events.push(...committed) });
  const link = new DatabaseLink({
    clock,
    conditions,
    random: new RandomStream("link"),
    database,
    logs: new MemoryLogStore({ database }),
    onCommitting: () => {},
  });
  /** Lets `work` come to its end; what it failed with, if it did. */
  const outcome = async (work: Promise<unknown>) => {
    const settled = work.then(
      () => "done",
      ({ code, message }) => `${code}: ${message}`,
    );
    await clock.run(clock.elapsedMs + 10_000, () => false);
    return settled;
  };
  const requestCancel = () =>
    link.transact(async ({ jobs }) => {
      await jobs.update(await jobs.lock(NEW_JOB.job.id), [CANCEL]);
    });
  return { clock, conditions, database, link, events, outcome, requestCancel };
}

test("a replica that dies in the middle of a transaction leaves nothing of it", async () => {
  const { database, link, outcome } = openLink();
  await database.insertJobs([NEW_JOB]);
  const work = link.transact(async ({ jobs }) => {
    await jobs.update(await jobs.lock(NEW_JOB.job.id), [CANCEL]);
    link.sever();
  });
  assert.match(await outcome(work), /^unavailable/);
  assert.equal((await database.readers.jobs.get(NEW_JOB.job.id)).version, 1);
  assert.match(await outcome(link.readers.jobs.get(NEW_JOB.job.id)), /^unavailable/);
});

test("while the way is cut nothing gets through, and after it all does", async () => {
  const { clock, conditions, link, outcome } = openLink();
  link.cutOff.holdFor(1_000);
  conditions.databaseDown.holdFor(11_000);
  assert.match(await outcome(link.insertJobs([NEW_JOB])), /^unavailable/);
  assert.equal(link.isUp, false);
  await clock.run(12_000, () => false);
  assert.equal(await outcome(link.insertJobs([NEW_JOB])), "done");
});

test("a lost answer is that of a commit that has happened", async () => {
  const { conditions, database, events, outcome, requestCancel } = openLink();
  await database.insertJobs([NEW_JOB]);
  conditions.answersLost.holdFor(1e9);
  const outcomes: string[] = [];
  for (let round = 0; round < 30; round += 1) outcomes.push(await outcome(requestCancel()));
  assert.equal(events.length, 31);
  assert.deepEqual(new Set(outcomes), new Set(["done", "unavailable: the answer was lost"]));
});

test("a transaction that is run again has its effect once", async () => {
  const { conditions, database, outcome, requestCancel } = openLink();
  await database.insertJobs([NEW_JOB]);
  conditions.transactionsRepeated.holdFor(1e9);
  for (let round = 0; round < 10; round += 1) assert.equal(await outcome(requestCancel()), "done");
  assert.equal((await database.readers.jobs.get(NEW_JOB.job.id)).version, 11);
});
