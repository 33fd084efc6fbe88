import assert from "node:assert/strict";
import { test } from "node:test";
import type { Job, JobId, JobSpec, TenantId } from "@hodei/domain";
import { aJobSpec, FakeProvider } from "@hodei/testkit";
import { createJob } from "./create-job.ts";
import { dispatchAssignments } from "./dispatch-assignments.ts";
import { DueJobs } from "./due-jobs.ts";
import { explainJob } from "./explain-job.ts";
import {
  ALICE,
  aPoolMember,
  COMPLETED,
  connect,
  find,
  finish,
  type Peer,
  settled,
  type TestDeps,
  testDeps,
} from "./fixtures.test.ts";
import type { Caller } from "./principal.ts";
import { Provisioner } from "./provision-workers.ts";
import { registerWorker } from "./register-worker.ts";
import { scheduleJobs } from "./schedule-jobs.ts";
import { DEFAULT_SETTINGS, type Settings } from "./settings.ts";

const BOB: Caller = { ...ALICE, name: "bob", tenantId: "other" as TenantId };

/** One worker of a pool, for four jobs at once, which takes those of every tenant. */
async function scene(parts: Partial<Settings> = {}) {
  const settings = { ...DEFAULT_SETTINGS, ...parts };
  const joinTokens: string[] = [];
  const provider = new FakeProvider({
    onProvision: ({ joinToken }) => void joinTokens.push(joinToken),
  });
  const pools = [aPoolMember(provider, { minWorkers: 1, maxWorkers: 1 })];
  const plain = testDeps({ settings, pools });
  const dueJobs = new DueJobs({
    signals: plain.signals,
    jobs: plain.database.readers.jobs,
    settings,
  });
  const deps: TestDeps = { ...plain, dueJobs };
  await new Provisioner(deps).run();
  const [joinToken] = joinTokens;
  assert.ok(joinToken);
  const request = { joinToken, certificateRequest: new Uint8Array([1]) };
  const { workerId } = await registerWorker(deps, request);
  return { deps, peer: await connect(deps, workerId) };
}

async function submitMany(
  deps: TestDeps,
  caller: Caller,
  count: number,
  parts: Partial<JobSpec> = {},
): Promise<Job[]> {
  const jobs: Job[] = [];
  while (jobs.length < count) {
    jobs.push(await createJob(deps, caller, { spec: aJobSpec(parts), idempotencyKey: null }));
  }
  return jobs;
}

async function countHeld(deps: TestDeps): Promise<Record<string, number>> {
  const held = await deps.database.readers.jobs.listHeld();
  const groups = Map.groupBy(held, ({ tenantId }) => tenantId);
  return Object.fromEntries([...groups].map(([id, own]) => [id, own.length]));
}

/** Schedules, and lets what was given run. */
async function turn(deps: TestDeps, peer: Peer): Promise<void> {
  await scheduleJobs(deps);
  await dispatchAssignments(deps);
  await settled();
  for (const { ref } of peer.of("assignment")) {
    if ((await find(deps, { id: ref.jobId })).state !== "assigned") continue;
    await peer.session.receive({ type: "attempt_started", ref });
  }
  await settled();
}

async function end(peer: Peer, jobId: JobId): Promise<void> {
  const assignment = peer.of("assignment").find(({ ref }) => ref.jobId === jobId);
  assert.ok(assignment);
  await peer.session.receive(finish(assignment.ref, COMPLETED));
  await settled();
}

test("tenants get what is free by their weights, whoever asked first", async () => {
  const even = await scene();
  await submitMany(even.deps, ALICE, 9);
  await submitMany(even.deps, BOB, 9);
  await scheduleJobs(even.deps);
  assert.deepEqual(await countHeld(even.deps), { default: 2, other: 2 });
  const weighted = await scene({ tenantWeights: new Map([[BOB.tenantId, 3]]) });
  await submitMany(weighted.deps, ALICE, 9);
  await submitMany(weighted.deps, BOB, 9);
  await scheduleJobs(weighted.deps);
  assert.deepEqual(await countHeld(weighted.deps), { default: 1, other: 3 });
});

test("what a tenant holds counts, and a job says that its tenant has more than others", async () => {
  const { deps, peer } = await scene();
  const [first, ...others] = await submitMany(deps, ALICE, 6);
  await turn(deps, peer);
  assert.deepEqual(await countHeld(deps), { default: 4 });
  const [late] = await submitMany(deps, BOB, 1);
  assert.ok(first && late);
  const waiting = others.at(-1);
  assert.ok(waiting);
  const { reasons, summary, expectedStartAt } = await explainJob(deps, ALICE, waiting.id);
  assert.deepEqual(
    reasons.map(({ code }) => code),
    ["fair_share", "cpu", "pool_full"],
  );
  assert.match(summary, /tenant at 1 of all cores with weight 1, and tenants with less/);
  assert.equal(expectedStartAt, null);
  const ofLate = await explainJob(deps, BOB, late.id);
  assert.deepEqual(
    ofLate.reasons.map(({ code }) => code),
    ["cpu", "pool_full"],
  );
  await end(peer, first.id);
  await turn(deps, peer);
  assert.deepEqual(await countHeld(deps), { default: 3, other: 1 });
});

test("where one job takes the whole worker, tenants take turns", async () => {
  const { deps, peer } = await scene();
  const whole = { requirements: { ...aJobSpec().requirements, cpuMillis: 4_000 } };
  await submitMany(deps, ALICE, 4, whole);
  await submitMany(deps, BOB, 2, whole);
  await deps.clock.advance(1);
  const order: string[] = [];
  for (let count = 0; count < 5; count += 1) {
    await turn(deps, peer);
    const [running] = await deps.database.readers.jobs.listHeld();
    assert.ok(running);
    order.push(running.tenantId);
    const ref = peer.of("assignment").at(-1)?.ref;
    assert.ok(ref);
    await deps.clock.advance(1);
    await end(peer, ref.jobId);
  }
  assert.deepEqual(order, ["default", "other", "default", "other", "default"]);
});

test("a tenant with more jobs than a turn looks at does not hide those of others", async () => {
  const { deps, peer } = await scene({ scheduleLimitCount: 4 });
  await submitMany(deps, ALICE, 20);
  await submitMany(deps, BOB, 1);
  deps.dueJobs.forget();
  await turn(deps, peer);
  assert.deepEqual(await countHeld(deps), { default: 3, other: 1 });
});
