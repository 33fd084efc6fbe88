import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProvisionRequest } from "@hodei/domain";
import { FakeProvider, someWorkerFacts } from "@hodei/testkit";
import { dispatchAssignments, dispatchDrains } from "./dispatch-assignments.ts";
import {
  ALICE,
  aPoolMember,
  assign,
  COMPLETED,
  connect,
  find,
  finish,
  running,
  settled,
  submit,
  testDeps,
} from "./fixtures.test.ts";
import { Provisioner } from "./provision-workers.ts";
import { registerWorker } from "./register-worker.ts";
import { scheduleJobs } from "./schedule-jobs.ts";
import { listWorkers } from "./workers.ts";

const HOUR_MS = 3_600_000;

/** A pool whose machines boot as soon as they are made. */
async function pooled(pool: Parameters<typeof aPoolMember>[1]) {
  const requests: ProvisionRequest[] = [];
  const provider = new FakeProvider({ onProvision: (request) => void requests.push(request) });
  const deps = testDeps({ pools: [aPoolMember(provider, pool)] });
  const provisioner = new Provisioner(deps);
  const turn = async () => {
    await provisioner.run();
    const peers = requests.splice(0).map(async ({ joinToken }) => {
      const request = { joinToken, certificateRequest: new Uint8Array([1]) };
      return connect(deps, (await registerWorker(deps, request)).workerId);
    });
    return Promise.all(peers);
  };
  const states = async () => {
    const { items } = await listWorkers(deps, ALICE, [], { limit: 100, token: null });
    return items.map(({ worker }) => worker.state);
  };
  return { deps, turn, states };
}

test("an idle worker beyond the least leaves; one that had work in between stays", async () => {
  const { deps, turn, states } = await pooled({ minWorkers: 0, idleTimeoutMs: 10_000 });
  const job = await submit(deps);
  const [peer] = await turn();
  assert.ok(peer);
  const ref = await assign(deps, peer, job);
  await peer.session.receive({ type: "attempt_started", ref });
  await settled();
  await turn();
  await deps.clock.advance(20_000);
  await turn();
  assert.deepEqual(await states(), ["ready"], "it is busy");
  await peer.session.receive(finish(ref, COMPLETED));
  await settled();
  await turn();
  await deps.clock.advance(9_000);
  // Too short for any turn to see it.
  const short = await running(deps, peer);
  await peer.session.receive(finish(short.ref, COMPLETED));
  await settled();
  await turn();
  await deps.clock.advance(9_000);
  await turn();
  assert.deepEqual(await states(), ["ready"]);
  await deps.clock.advance(1_000);
  await turn();
  assert.deepEqual(await states(), ["draining"]);
});

test("a pool keeps idle workers warm, and makes another when one gets busy", async () => {
  const { deps, turn, states } = await pooled({ maxWorkers: 3, warmWorkers: 1, idleTimeoutMs: 1 });
  const [peer] = await turn();
  assert.ok(peer);
  await deps.clock.advance(60_000);
  assert.deepEqual(await turn(), []);
  await running(deps, peer);
  assert.equal((await turn()).length, 1);
  assert.deepEqual(await states(), ["ready", "ready"]);
});

test("a worker that is too old leaves when another could take over, and is replaced", async () => {
  const { deps, turn, states } = await pooled({ minWorkers: 2, maxWorkers: 3, lifetimeMs: 60_000 });
  assert.equal((await turn()).length, 2);
  await deps.clock.advance(60_000);
  await turn();
  await turn();
  assert.deepEqual((await states()).toSorted(), ["draining", "ready"]);
});

test("however much waits, no more workers start in a minute than the pool allows", async () => {
  const { deps, turn } = await pooled({ maxWorkers: 50, maxStartsPerMinute: 3 });
  for (let count = 0; count < 40; count += 1) await submit(deps, {});
  assert.equal((await turn()).length, 3);
  assert.equal((await turn()).length, 0);
  await deps.clock.advance(60_000);
  assert.equal((await turn()).length, 3);
});

test("a worker of a one-job pool takes one job and leaves, and is told so after its job", async () => {
  const { arch, labels, capacity } = someWorkerFacts();
  const template = { arch, labels, capacity: { ...capacity, attemptCount: 1 } };
  const { deps, turn, states } = await pooled({ oneJob: true, maxWorkers: 2, template });
  const jobs = [await submit(deps), await submit(deps), await submit(deps)];
  const [first, second] = await turn();
  assert.ok(first && second);
  await scheduleJobs(deps);
  await dispatchDrains(deps);
  await settled();
  assert.deepEqual(await states(), ["draining", "draining"]);
  assert.deepEqual(first.of("drain"), [], "its assignment may still be on the way");
  await dispatchAssignments(deps);
  await settled();
  const [assignment] = first.of("assignment");
  assert.ok(assignment);
  await first.session.receive({ type: "attempt_started", ref: assignment.ref });
  await settled();
  await dispatchDrains(deps);
  await settled();
  assert.equal(first.of("drain").length, 1);
  await first.session.receive(finish(assignment.ref, COMPLETED));
  await settled();
  await scheduleJobs(deps);
  const waiting = await Promise.all(jobs.map((job) => find(deps, job)));
  assert.equal(waiting.filter(({ state }) => state === "pending").length, 1);
});

test("a worker that has reached its pool's age leaves, however often its session was opened anew", async () => {
  const requests: ProvisionRequest[] = [];
  const provider = new FakeProvider({ onProvision: (request) => void requests.push(request) });
  const deps = testDeps({
    pools: [aPoolMember(provider, { minWorkers: 1, maxWorkers: 1, lifetimeMs: HOUR_MS })],
  });
  const provisioner = new Provisioner(deps);
  await provisioner.run();
  const [{ joinToken } = { joinToken: "" }] = requests;
  const request = { joinToken, certificateRequest: new Uint8Array([1]) };
  const { workerId } = await registerWorker(deps, request);
  // As with a server that is started anew, or a network that is cut, now and then.
  for (let count = 0; count < 6; count += 1) {
    await connect(deps, workerId);
    await deps.clock.advance(HOUR_MS / 2);
    await provisioner.run();
  }
  const worker = await deps.database.readers.workers.get(workerId);
  assert.notEqual(worker.drainRequestedAt, null, "three hours old, of one that it may be");
});
