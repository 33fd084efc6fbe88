import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_RECORD, outcomeOf, type ProvisionRequest, type WorkerId } from "@hodei/domain";
import { FakeProvider } from "@hodei/testkit";
import {
  aPoolMember,
  COMPLETED,
  connect,
  connectedWorker,
  FAILED,
  find,
  finish,
  type Peer,
  running,
  settled,
  submit,
  type TestDeps,
  testDeps,
} from "./fixtures.test.ts";
import { readCluster } from "./hosts.ts";
import { Provisioner } from "./provision-workers.ts";
import { registerWorker } from "./register-worker.ts";
import { scheduleJobs } from "./schedule-jobs.ts";
import { WorkerHistory } from "./worker-history.ts";

const recordOf = async (deps: TestDeps, workerId: WorkerId, history = deps.workerHistory) =>
  history.recordOf(await deps.database.readers.workers.get(workerId));

/** After long enough for what has ended to count. */
async function observe(deps: TestDeps, afterMs = 2_000): Promise<void> {
  await deps.clock.advance(afterMs);
  await deps.workerHistory.observe(deps);
}

async function runTo(deps: TestDeps, peer: Peer, outcome: typeof COMPLETED): Promise<void> {
  const { ref } = await running(deps, peer);
  await peer.session.receive(finish(ref, outcome));
  await settled();
}

test("a worker's own faults count against it, the job's do not; each counts once, and fades", async () => {
  const deps = testDeps();
  const { workerId, peer } = await connectedWorker(deps);
  assert.deepEqual(await recordOf(deps, workerId), NO_RECORD);
  await runTo(deps, peer, COMPLETED);
  await runTo(deps, peer, FAILED);
  await runTo(deps, peer, outcomeOf("disk_full", ""));
  const expected = { ...NO_RECORD, endedCount: 3, faultCount: 1, startMs: 0 };
  await observe(deps, 1_999);
  assert.deepEqual(await recordOf(deps, workerId), NO_RECORD, "too new to be sure of");
  await observe(deps, 1);
  assert.deepEqual(await recordOf(deps, workerId), expected);
  await observe(deps, 600_000);
  assert.deepEqual(await recordOf(deps, workerId), {
    ...expected,
    endedCount: 1.5,
    faultCount: 0.5,
  });
});

test("a replica that has just started knows what has not moved out of the way", async () => {
  const deps = testDeps();
  const { workerId, peer } = await connectedWorker(deps);
  await runTo(deps, peer, COMPLETED);
  await observe(deps);
  const late = new WorkerHistory();
  await late.observe(deps);
  assert.equal((await recordOf(deps, workerId, late)).endedCount, 1);
  assert.deepEqual(late.lastAssignedAt(workerId), deps.workerHistory.lastAssignedAt(workerId));
});

test("workers of a pool share what its provider did, and those that joined have no part in it", async () => {
  const requests: ProvisionRequest[] = [];
  const provider = new FakeProvider({ onProvision: (request) => void requests.push(request) });
  const deps = testDeps({ pools: [aPoolMember(provider, { minWorkers: 2 })] });
  const joined = await connectedWorker(deps);
  const provisioner = new Provisioner(deps);
  await provisioner.run();
  const [first, second] = requests;
  assert.ok(first && second);
  const request = { joinToken: first.joinToken, certificateRequest: new Uint8Array([1]) };
  await connect(deps, (await registerWorker(deps, request)).workerId);
  provider.kill(second.workerId);
  await provisioner.run();
  await deps.workerHistory.observe(deps);
  const { madeCount, failedCount } = await recordOf(deps, first.workerId);
  assert.deepEqual({ madeCount, failedCount }, { madeCount: 2, failedCount: 1 });
  assert.deepEqual(await recordOf(deps, joined.workerId), NO_RECORD);
});

test("round robin goes on where it was: over turns, and with a leader that knows only what is stored", async () => {
  const settings = { ...testDeps().settings, placementPolicy: "round_robin" } as const;
  const deps = testDeps({ settings });
  const peers = [
    await connectedWorker(deps),
    await connectedWorker(deps),
    await connectedWorker(deps),
  ] as const;
  const used: WorkerId[] = [];
  const runOne = async () => {
    const job = await submit(deps);
    await scheduleJobs(deps);
    const { lease } = await find(deps, job);
    assert.ok(lease);
    used.push(lease.workerId);
    await deps.clock.advance(1);
  };
  for (let count = 0; count < 4; count += 1) await runOne();
  const [a, b, c] = peers.map(({ workerId }) => workerId);
  assert.deepEqual(used, [a, b, c, a]);
  deps.activity.keep(new Set());
  await observe(deps);
  await runOne();
  await runOne();
  assert.deepEqual(used.slice(4), [b, c]);
  const { hosts } = await readCluster(deps);
  assert.deepEqual(
    hosts.map(({ turn }) => turn),
    [1, 2, 3],
  );
});
