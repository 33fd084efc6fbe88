import assert from "node:assert/strict";
import { test } from "node:test";
import type { Provider, ProvisionRequest, WorkerId } from "@hodei/domain";
import { FakeProvider } from "@hodei/testkit";
import {
  ALICE,
  aPoolMember,
  connect,
  find,
  running,
  settled,
  submit,
  type TestDeps,
  testDeps,
} from "./fixtures.test.ts";
import { Provisioner } from "./provision-workers.ts";
import { registerWorker } from "./register-worker.ts";
import { scheduleJobs } from "./schedule-jobs.ts";
import { createJoinToken } from "./workers.ts";

function pooled(pool: Parameters<typeof aPoolMember>[1] = {}) {
  const requests: ProvisionRequest[] = [];
  const provider = new FakeProvider({ onProvision: (request) => void requests.push(request) });
  const deps = testDeps({ pools: [aPoolMember(provider, pool)] });
  return { deps, provider, requests, provisioner: new Provisioner(deps) };
}

/** What a machine does when it starts. */
async function boot(deps: TestDeps, { joinToken }: ProvisionRequest) {
  const request = { joinToken, certificateRequest: new Uint8Array([1]) };
  const { workerId } = await registerWorker(deps, request);
  return connect(deps, workerId);
}

test("a job without a worker causes exactly one provision", async () => {
  const { deps, requests, provisioner } = pooled();
  await provisioner.run();
  assert.equal(requests.length, 0);
  const job = await submit(deps);
  await provisioner.run();
  await provisioner.run();
  assert.equal(requests.length, 1);
  await boot(deps, requests[0] as ProvisionRequest);
  await scheduleJobs(deps);
  await provisioner.run();
  assert.equal((await find(deps, job)).state, "assigned");
  assert.equal(requests.length, 1);
});

test("a pool has its minimum without any job, and never more than its maximum", async () => {
  const { deps, requests, provisioner } = pooled({ minWorkers: 1, maxWorkers: 2 });
  await provisioner.run();
  assert.equal(requests.length, 1);
  for (let count = 0; count < 20; count += 1) await submit(deps);
  await provisioner.run();
  await provisioner.run();
  assert.equal(requests.length, 2);
});

test("a provider that fails is tried again later and later, and its worker is terminated", async () => {
  let calls = 0;
  const failing: Provider = {
    name: "fake",
    list: async () => [],
    destroy: async () => {},
    provision: async () => {
      calls += 1;
      throw new Error("no room");
    },
  };
  const deps = testDeps({ pools: [aPoolMember(failing)] });
  const provisioner = new Provisioner(deps);
  await submit(deps);
  const first = await provisioner.run();
  assert.equal(first?.getTime(), deps.clock.now().getTime() + 1_000);
  await provisioner.run();
  assert.equal(calls, 1);
  await deps.clock.advance(1_000);
  const second = await provisioner.run();
  assert.equal(second?.getTime(), deps.clock.now().getTime() + 2_000);
  assert.equal(calls, 2);
  assert.deepEqual(deps.warnings, ["provision_failed", "provision_failed"]);
  const workers = await deps.database.readers.workers.listLive();
  assert.deepEqual(workers, []);
});

test("a machine that the leader before is still making counts, until it should have come up", async () => {
  const mayGoOn = Promise.withResolvers<void>();
  const machines = new FakeProvider();
  let calls = 0;
  const slow: Provider = {
    name: "fake",
    list: () => machines.list(),
    destroy: (id) => machines.destroy(id),
    provision: async (request) => {
      calls += 1;
      if (calls === 1) await mayGoOn.promise;
      return machines.provision(request);
    },
  };
  const deps = testDeps({ pools: [aPoolMember(slow, { minWorkers: 1, maxWorkers: 1 })] });
  const before = new Provisioner(deps).run();
  await settled();
  const next = new Provisioner(deps);
  await next.run();
  assert.equal(calls, 1, "the pool would have two");
  mayGoOn.resolve();
  await before;
  await next.run();
  assert.equal((await machines.list()).length, 1);

  machines.kill((await machines.list())[0]?.workerId as WorkerId);
  await next.run();
  // It never came up, so the pool waits for a moment.
  await deps.clock.advance(1_000);
  await next.run();
  assert.equal(calls, 2, "one that was seen is known to be gone");
});

test("a machine that a leader did not come to make is made by the next, in the end", async () => {
  const provider = new FakeProvider();
  const deps = testDeps({ pools: [aPoolMember(provider, { minWorkers: 1, maxWorkers: 1 })] });
  const never: Provider = {
    name: "fake",
    list: () => provider.list(),
    destroy: (id) => provider.destroy(id),
    provision: () => new Promise<never>(() => undefined),
  };
  const pools = [aPoolMember(never, { minWorkers: 1, maxWorkers: 1 })];
  void new Provisioner({ ...deps, pools }).run();
  await settled();
  const next = new Provisioner(deps);
  await next.run();
  assert.equal((await provider.list()).length, 0);
  await deps.clock.advance(deps.settings.provisionTimeoutMs);
  await next.run();
  await deps.clock.advance(1_000);
  await next.run();
  assert.equal((await provider.list()).length, 1);
});

test("a machine that nobody knows of is destroyed", async () => {
  const machines = new Map([
    ["99999999-0000-7000-8000-000000000000" as WorkerId, "alive" as const],
  ]);
  const provider = new FakeProvider({ machines: machines as Map<WorkerId, "alive" | "dead"> });
  const deps = testDeps({ pools: [aPoolMember(provider)] });
  await new Provisioner(deps).run();
  assert.deepEqual(await provider.list(), []);
});

test("a worker whose machine died is terminated at once, its job goes on as the policy says", async () => {
  const { deps, provider, requests, provisioner } = pooled();
  await submit(deps);
  await provisioner.run();
  const request = requests[0] as ProvisionRequest;
  const peer = await boot(deps, request);
  await scheduleJobs(deps);
  const retryPolicy = { maxAttempts: 2, baseDelayMs: 0, maxDelayMs: 0, reasons: [] };
  const { job } = await running(deps, peer, { retryPolicy });
  provider.kill(request.workerId);
  await provisioner.run();
  assert.equal((await deps.database.readers.workers.get(request.workerId)).state, "terminated");
  assert.equal((await find(deps, job)).state, "pending");
  assert.deepEqual(
    (await provider.list()).filter(({ workerId }) => workerId === request.workerId),
    [],
  );
});

test("workers that came by themselves are left alone by pools of the same name", async () => {
  const { deps, provisioner } = pooled();
  const { token } = await createJoinToken(deps, ALICE, { pool: "local", ttlMs: 60_000 });
  const request = { joinToken: token, certificateRequest: new Uint8Array([1]) };
  const { workerId } = await registerWorker(deps, request);
  await provisioner.run();
  assert.equal((await deps.database.readers.workers.get(workerId)).state, "connecting");
});

test("a join token works once", async () => {
  const { deps, requests, provisioner } = pooled({ minWorkers: 1 });
  await provisioner.run();
  await boot(deps, requests[0] as ProvisionRequest);
  await assert.rejects(boot(deps, requests[0] as ProvisionRequest), {
    code: "unauthenticated",
    reason: "join_token_refused",
  });
});

const asking = (label: string, operator: "eq" | "ne", value: string) => ({
  requirements: {
    cpuMillis: 100,
    memoryBytes: 1,
    diskBytes: 0,
    gpuCount: 0,
    gpuModel: null,
    arch: null,
    constraints: [{ label, operator, values: [value] }],
    tolerations: [],
  },
});

test("a job that asks for a pool or a provider by its label causes a worker there, and no other", async () => {
  const requests: ProvisionRequest[] = [];
  const provider = new FakeProvider({ onProvision: (request) => void requests.push(request) });
  for (const label of ["hodei/pool", "hodei/provider"]) {
    const member = aPoolMember(provider);
    const name = label === "hodei/pool" ? member.pool.name : member.pool.provider;
    const wanted = testDeps({ pools: [member] });
    await submit(wanted, asking(label, "eq", name));
    requests.length = 0;
    await new Provisioner(wanted).run();
    assert.equal(requests.length, 1, `${label} = ${name} waits for ever`);
    const unwanted = testDeps({ pools: [aPoolMember(new FakeProvider())] });
    await submit(unwanted, asking(label, "ne", name));
    await new Provisioner(unwanted).run();
    const made = await unwanted.database.readers.workers.listLive();
    assert.equal(made.length, 0, `${label} != ${name} causes a worker that it cannot use`);
  }
});

test("a machine that cannot be destroyed does not keep a pool from its workers", async () => {
  const requests: ProvisionRequest[] = [];
  const machines = new FakeProvider({ onProvision: (request) => void requests.push(request) });
  const stuck = "99999999-0000-7000-8000-000000000002" as WorkerId;
  const provider: Provider = {
    name: "fake",
    provision: (request) => machines.provision(request),
    list: async () => [...(await machines.list()), { workerId: stuck, alive: true }],
    destroy: async (workerId) => {
      if (workerId === stuck) throw new Error("processes are still there after SIGKILL");
      return machines.destroy(workerId);
    },
  };
  const deps = testDeps({ pools: [aPoolMember(provider)] });
  await submit(deps);
  await new Provisioner(deps).run();
  assert.equal(requests.length, 1);
  assert.deepEqual(deps.warnings, ["machine_not_destroyed"]);
});
