import assert from "node:assert/strict";
import { test } from "node:test";
import { type Job, type JobSpec, outcomeOf, type Requirements } from "@hodei/domain";
import { aJobSpec, FakeProvider, someWorkerFacts } from "@hodei/testkit";
import { explainJob } from "./explain-job.ts";
import {
  ALICE,
  aPoolMember,
  connectedWorker,
  FAILED,
  find,
  finish,
  running,
  settled,
  submit,
  type TestDeps,
  testDeps,
} from "./fixtures.test.ts";
import { planJob } from "./plan-job.ts";
import { scheduleJobs } from "./schedule-jobs.ts";
import { DEFAULT_SETTINGS } from "./settings.ts";
import { drainWorker } from "./workers.ts";

const explain = (deps: TestDeps, { id }: Job) => explainJob(deps, ALICE, id);

const needing = (requirements: Partial<Requirements>): Partial<JobSpec> => ({
  requirements: { ...aJobSpec().requirements, ...requirements },
});

const inMs = (deps: TestDeps, ms: number) => new Date(deps.clock.now().getTime() + ms);

/** The codes of a job with this spec; first planned, then created and explained, which must come to the same. */
async function codes(deps: TestDeps, parts: Partial<JobSpec> = {}): Promise<readonly string[]> {
  const { summary, reasons, scores, expectedStartAt } = await planJob(deps, ALICE, aJobSpec(parts));
  const { job, ...explained } = await explain(deps, await submit(deps, parts));
  assert.deepEqual({ summary, reasons, scores, expectedStartAt }, explained);
  assert.equal(job.state, "pending");
  assert.notEqual(reasons.length, 0);
  for (const { message } of reasons) assert.ok(summary.includes(message));
  return reasons.map(({ code }) => code);
}

test("a plan stores nothing", async () => {
  const deps = testDeps();
  await planJob(deps, ALICE, aJobSpec());
  assert.equal(await deps.database.readers.jobs.countUnfinished(), 0);
  const wrong = aJobSpec({ work: { kind: "command", argv: [] } });
  await assert.rejects(planJob(deps, ALICE, wrong), { reason: "invalid_spec" });
});

test("a plan says what explain says of the job that is then created: each reason", async () => {
  const none = testDeps();
  assert.deepEqual(await codes(none), ["no_workers"]);
  const full = testDeps({ pools: [aPoolMember(new FakeProvider(), { maxWorkers: 0 })] });
  assert.deepEqual(await codes(full), ["no_workers", "pool_full"]);

  const deps = testDeps();
  const { capacity } = someWorkerFacts();
  const small = { ...capacity, cpuMillis: 2_000, gpuCount: 1, attemptCount: 2 };
  const { workerId, peer } = await connectedWorker(deps, { capacity: small, gpuModel: "a100" });
  assert.deepEqual(await codes(deps, { notBefore: inMs(deps, 1) }), ["not_before"]);
  assert.deepEqual(await codes(deps, { deadline: deps.clock.now() }), ["deadline"]);
  for (const [code, requirements] of [
    ["arch", { arch: "arm64" }],
    ["constraint", { constraints: [{ label: "zone", operator: "exists", values: [] }] }],
    ["gpu_model", { gpuCount: 1, gpuModel: "h100" }],
    ["cpu_capacity", { cpuMillis: 2_001 }],
    ["memory_capacity", { memoryBytes: 2 ** 40 }],
    ["gpu_capacity", { gpuCount: 2 }],
    ["disk", { diskBytes: 2 ** 49 }],
  ] as const) {
    assert.deepEqual(await codes(deps, needing(requirements)), [code]);
  }

  const holder = await running(deps, peer, needing({ cpuMillis: 1_000, gpuCount: 1 }));
  assert.deepEqual(await codes(deps, needing({ gpuCount: 1 })), ["gpu"]);
  assert.deepEqual(await codes(deps, needing({ cpuMillis: 1_500 })), ["cpu"]);
  assert.deepEqual(await codes(deps), ["next_turn"]);
  assert.deepEqual(await codes(deps), ["outranked"], "the one before gets the room");
  await scheduleJobs(deps);
  assert.deepEqual(await codes(deps), ["attempts"]);

  await drainWorker(deps, ALICE, workerId);
  assert.deepEqual(await codes(deps), ["state"]);
  await peer.session.receive(finish(holder.ref, FAILED));
  await settled();
  await peer.session.close("gone");
  assert.deepEqual(await codes(deps), ["state"]);
});

test("a taint is a reason, and a retry delay", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps, { taints: [{ key: "spot", value: "eu" }] });
  assert.deepEqual(await codes(deps), ["taint"]);
  const retryPolicy = { maxAttempts: 2, baseDelayMs: 1_000, maxDelayMs: 1_000, reasons: [] };
  const tolerating = needing({ tolerations: [{ key: "spot", value: "" }] });
  const { job, ref } = await running(deps, peer, { ...tolerating, retryPolicy });
  await peer.session.receive(finish(ref, FAILED));
  await settled();
  const { reasons, expectedStartAt } = await explain(deps, job);
  assert.deepEqual(
    reasons.map(({ code }) => code),
    ["retry_delay"],
  );
  assert.deepEqual(expectedStartAt, inMs(deps, 500));
});

test("a worker that is kept for a job is told to it, and to those that wait behind it", async () => {
  const deps = testDeps();
  const { peer, workerId } = await connectedWorker(deps);
  await running(deps, peer, { timeouts: { queueMs: null, runMs: 60_000, graceMs: 5_000 } });
  const startedAt = deps.clock.now();
  const large = await submit(deps, needing({ cpuMillis: 4_000 }));
  await deps.clock.advance(DEFAULT_SETTINGS.reserveAfterMs - 1);
  const early = await explain(deps, large);
  assert.deepEqual(
    early.reasons.map(({ code }) => code),
    ["cpu"],
  );
  await deps.clock.advance(1);
  const kept = await explain(deps, large);
  assert.deepEqual(
    kept.reasons.map(({ code }) => code),
    ["kept", "cpu"],
  );
  assert.match(kept.summary, new RegExp(`worker ${workerId} is kept for it`));
  const latest = new Date(startedAt.getTime() + 65_000);
  assert.deepEqual(kept.expectedStartAt, latest, "when the run time-out and its grace are over");
  assert.deepEqual(await codes(deps), ["reserved"]);
  await scheduleJobs(deps);
  assert.equal((await find(deps, large)).state, "pending");
});

test("no start is promised in room that jobs before it take, or have kept for them", async () => {
  const deps = testDeps();
  const { peer } = await connectedWorker(deps);
  await submit(deps, needing({ cpuMillis: 4_000 }));
  const behind = await submit(deps, needing({ cpuMillis: 4_000 }));
  const outranked = await explain(deps, behind);
  assert.deepEqual(
    outranked.reasons.map(({ code }) => code),
    ["outranked"],
  );
  assert.equal(outranked.expectedStartAt, null, "the one before may run for ever");

  await running(deps, peer, {
    ...needing({ cpuMillis: 1_000 }),
    priority: 100,
    timeouts: { queueMs: null, runMs: 600_000, graceMs: 5_000 },
  });
  await deps.clock.advance(DEFAULT_SETTINGS.reserveAfterMs);
  const second = await explain(deps, behind);
  assert.equal(second.reasons[0]?.code, "kept");
  assert.equal(second.expectedStartAt, null, "as is the one that it is kept for before");
});

test("a plan says of a job that would be dropped that it ends, also while its key is only waited for", async () => {
  const deps = testDeps();
  await connectedWorker(deps);
  const spec = { concurrency: { key: "deploy", limit: 1, onConflict: "drop_newest" as const } };
  const first = await submit(deps, spec);
  const { summary, reasons, expectedStartAt } = await planJob(deps, ALICE, aJobSpec(spec));
  assert.deepEqual(
    reasons.map(({ code }) => code),
    ["concurrency"],
  );
  assert.match(summary, new RegExp(`taken by job ${first.id}.*dropped`));
  assert.equal(expectedStartAt, null);
  assert.equal((await submit(deps, spec)).outcome?.reason, "dropped");
});

test("scores say what they are the sum of, and of a placed job as if it were placed anew", async () => {
  const deps = testDeps();
  const constraint = { label: "zone", operator: "eq", values: ["a"] } as const;
  const placement = { preferences: [{ constraint, weight: 5 }], policy: "spread" } as const;
  await connectedWorker(deps, { labels: { zone: "b" } });
  const { workerId, peer } = await connectedWorker(deps, { labels: { zone: "a" } });
  const planned = await planJob(deps, ALICE, aJobSpec({ placement }));
  assert.deepEqual(
    planned.scores.map(({ score, parts }) => [
      score,
      ...parts.map(({ scorer, points }) => `${scorer} ${points}`),
    ]),
    [
      [3, "preferences 2", "spread 1"],
      [1, "preferences 0", "spread 1"],
    ],
  );
  const { job } = await running(deps, peer, { placement });
  const placed = await explain(deps, job);
  assert.equal(placed.summary, `Attempt 1 is running on worker ${workerId}.`);
  assert.deepEqual(placed.scores, planned.scores);
});

test("the score table says whose policy decides, in the order in which workers would be taken", async () => {
  const poolPolicies = new Map([["joined", "bin_pack" as const]]);
  const deps = testDeps({ settings: { ...DEFAULT_SETTINGS, poolPolicies } });
  const { capacity } = someWorkerFacts();
  const full = await connectedWorker(deps, { capacity: { ...capacity, cpuMillis: 2_000 } });
  const empty = await connectedWorker(deps, { capacity: { ...capacity, cpuMillis: 4_000 } });
  const tableOf = async (parts: Partial<JobSpec> = {}) =>
    (await planJob(deps, ALICE, aJobSpec(parts))).scores.map((row) => [
      row.workerId,
      `${row.policy} of the ${row.policySource}`,
      row.score,
      row.poolScore,
    ]);
  assert.deepEqual(await tableOf(), [
    [full.workerId, "bin_pack of the pool", 0.5, 0.75],
    [empty.workerId, "bin_pack of the pool", 0.25, 0.75],
  ]);
  const placement = { preferences: [], policy: "least_loaded" } as const;
  assert.deepEqual(await tableOf({ placement }), [
    [empty.workerId, "least_loaded of the job", 0.75, null],
    [full.workerId, "least_loaded of the job", 0.5, null],
  ]);
  const job = await submit(deps);
  const { scores } = await explain(deps, job);
  await scheduleJobs(deps);
  assert.equal((await find(deps, job)).lease?.workerId, scores[0]?.workerId, "as it was told");
});

test("the reliable policy shows the share of each of its scorers, and passes over who is at fault", async () => {
  const settings = { ...DEFAULT_SETTINGS, placementPolicy: "reliable" } as const;
  const deps = testDeps({ settings });
  const { peer, workerId } = await connectedWorker(deps);
  for (let count = 0; count < 4; count += 1) {
    const { ref } = await running(deps, peer);
    await peer.session.receive(finish(ref, outcomeOf("spawn_failed", "")));
    await settled();
  }
  const sound = await connectedWorker(deps);
  await deps.clock.advance(10_000);
  await deps.workerHistory.observe(deps);
  const { scores } = await planJob(deps, ALICE, aJobSpec());
  assert.deepEqual(
    scores.map((row) => row.workerId),
    [sound.workerId, workerId],
  );
  const [best, worst] = scores.map(({ parts }) =>
    Object.fromEntries(parts.map(({ scorer, points }) => [scorer, points])),
  );
  const { least_loaded, ...known } = best ?? {};
  const all = { preferences: 0, success_history: 2, provider_health: 1, startup_time: 0.5 };
  assert.deepEqual(known, all);
  assert.deepEqual(worst, { ...all, success_history: 1, least_loaded });
});
