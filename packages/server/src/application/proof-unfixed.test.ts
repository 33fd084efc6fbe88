import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReplicaId, WorkerFacts } from "@hodei/domain";
import { someWorkerFacts } from "@hodei/testkit";
import { dispatchAssignments } from "./dispatch-assignments.ts";
import { explainJob } from "./explain-job.ts";
import {
  ALICE,
  connectedWorker,
  find,
  running,
  settled,
  submit,
  type TestDeps,
  testDeps,
} from "./fixtures.test.ts";
import { scheduleJobs } from "./schedule-jobs.ts";
import { DEFAULT_SETTINGS } from "./settings.ts";

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

test("a worker whose session is at another replica, and that said that its disk is full, is given nothing", async () => {
  const leader: TestDeps = testDeps();
  const other = testDeps({
    database: leader.database,
    replicaId: "99999999-0000-7000-8000-000000000001" as ReplicaId,
  });
  const facts: WorkerFacts = someWorkerFacts();
  const { peer } = await connectedWorker(other, facts);
  const capacity = { ...facts.capacity, diskBytes: 0 };
  await peer.session.receive({ type: "heartbeat", capacity, metrics: null });
  const job = await submit(leader);
  // No time passes: each turn is woken by the return before it.
  for (let turn = 0; turn < 50; turn += 1) {
    await scheduleJobs(leader);
    await dispatchAssignments(other);
    await settled();
    const sent = peer.of("assignment").at(-1);
    if (sent === undefined || sent.ref.attempt !== (await find(leader, job)).attempt) continue;
    // As `AttemptTable.#findRefusal` does.
    const message = "the worker's disk is almost full";
    await peer.session.receive({ type: "attempt_refused", ref: sent.ref, message });
    await settled();
  }
  const { attempt } = await find(leader, job);
  assert.ok(attempt < 5, `the job was given out and refused ${attempt} times in no time`);
});
