import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { arch } from "node:os";
import { suite, type TestContext, test } from "node:test";
import {
  type Machine,
  type Provider,
  type ProvisionRequest,
  parseWorkerId,
  type WorkerId,
} from "@hodei/domain";
import { waitFor } from "../wait-for.ts";

const MANY = 8;
/** Far beyond what any step takes; reached only by a provider that is broken. */
const TIMEOUT_MS = 20_000;

/** A provider over machines that are its own, and what the contract needs to look behind it. */
export interface ProviderFixture {
  readonly provider: Provider;
  /** Another instance over the same machines, as a server that comes back makes it. */
  reopen(): Provider;
  /** Ends the machine without the provider, as a crash would. */
  crash(workerId: WorkerId): Promise<void>;
  /** Machines that really run, whatever the provider says. */
  countRunning(): Promise<number>;
  /** Destroys what is left. */
  close(): Promise<void>;
}

type Open = (context: TestContext) => Promise<ProviderFixture>;

/** What every provider promises the provisioner; `create` makes a fixture of its own for each test. */
export function providerContract(name: string, create: () => Promise<ProviderFixture>): void {
  const open: Open = async (context) => {
    const fixture = await create();
    context.after(() => fixture.close());
    return fixture;
  };

  suite(`provider contract: ${name}`, () => {
    testOneMachine(open);
    testDeathsAndRestarts(open);
  });
}

function testOneMachine(open: Open): void {
  test("a provisioned machine is alive, and runs", async (context) => {
    const { provider, countRunning } = await open(context);
    assert.deepEqual(await provider.list(), []);
    const request = provisionRequest();
    await provider.provision(request);
    assert.deepEqual(await provider.list(), [{ workerId: request.workerId, alive: true }]);
    await until(async () => (await countRunning()) === 1, "the machine runs");
  });

  test("a repeat makes no second machine", async (context) => {
    const { provider, countRunning } = await open(context);
    const request = provisionRequest();
    await Promise.all([provider.provision(request), provider.provision(request)]);
    await provider.provision(request);
    assert.deepEqual(await provider.list(), [{ workerId: request.workerId, alive: true }]);
    await until(async () => (await countRunning()) === 1, "one machine runs");
  });

  test("destroy ends the machine, and may be repeated", async (context) => {
    const { provider, countRunning } = await open(context);
    const { workerId, ...rest } = provisionRequest();
    await provider.provision({ workerId, ...rest });
    await until(async () => (await countRunning()) === 1, "the machine runs");
    await Promise.all([provider.destroy(workerId), provider.destroy(workerId)]);
    assert.equal(await countRunning(), 0);
    assert.deepEqual(await provider.list(), []);
    await provider.destroy(workerId);
  });

  test("destroying an unknown machine touches no other", async (context) => {
    const { provider } = await open(context);
    const request = provisionRequest();
    await provider.provision(request);
    await provider.destroy(newWorkerId());
    assert.deepEqual(await provider.list(), [{ workerId: request.workerId, alive: true }]);
  });
}

function testDeathsAndRestarts(open: Open): void {
  test("a machine that died stays listed, dead, until it is destroyed", async (context) => {
    const { provider, crash, countRunning } = await open(context);
    const request = provisionRequest();
    const { workerId } = request;
    await provider.provision(request);
    await until(async () => (await countRunning()) === 1, "the machine runs");
    await crash(workerId);
    await until(async () => !isAlive(await provider.list(), workerId), "it is seen dead");
    assert.deepEqual(await provider.list(), [{ workerId, alive: false }]);
    await provider.provision(request);
    assert.deepEqual(await provider.list(), [{ workerId, alive: false }], "no second machine");
    await provider.destroy(workerId);
    assert.deepEqual(await provider.list(), []);
  });

  test("another instance finds the machines, and can destroy them", async (context) => {
    const { provider, reopen, countRunning } = await open(context);
    const request = provisionRequest();
    await provider.provision(request);
    await until(async () => (await countRunning()) === 1, "the machine runs");
    const restarted = reopen();
    assert.deepEqual(await restarted.list(), [{ workerId: request.workerId, alive: true }]);
    await restarted.provision(request);
    assert.equal(await countRunning(), 1);
    await restarted.destroy(request.workerId);
    assert.equal(await countRunning(), 0);
    assert.deepEqual(await provider.list(), []);
  });

  test("many at once do not disturb each other", async (context) => {
    const { provider, countRunning } = await open(context);
    const requests = Array.from({ length: MANY }, provisionRequest);
    await Promise.all(requests.map((request) => provider.provision(request)));
    await until(async () => (await countRunning()) === MANY, "all run");
    const workerIds = requests.map(({ workerId }) => workerId).sort();
    const listed = [...(await provider.list())].sort((a, b) => (a.workerId < b.workerId ? -1 : 1));
    assert.deepEqual(
      listed,
      workerIds.map((workerId) => ({ workerId, alive: true })),
    );
    const [kept, ...ended] = workerIds;
    await Promise.all(ended.map((workerId) => provider.destroy(workerId)));
    assert.deepEqual(await provider.list(), [{ workerId: kept, alive: true }]);
    assert.equal(await countRunning(), 1);
  });
}

/** A request for a machine that nobody asked for before. */
export function provisionRequest(): ProvisionRequest {
  return {
    workerId: newWorkerId(),
    pool: "default",
    serverUrl: "https://127.0.0.1:7443",
    joinToken: `token-${randomUUID()}`,
    template: {
      arch: arch(),
      labels: { pool: "default", zone: "a" },
      capacity: {
        cpuMillis: 2_000,
        memoryBytes: 1_073_741_824,
        diskBytes: 0,
        gpuCount: 0,
        attemptCount: 100,
      },
    },
  };
}

function newWorkerId(): WorkerId {
  return parseWorkerId(randomUUID());
}

function isAlive(machines: readonly Machine[], workerId: WorkerId): boolean {
  return machines.some((machine) => machine.workerId === workerId && machine.alive);
}

async function until(probe: () => Promise<boolean>, what: string): Promise<void> {
  await waitFor(probe, { what, timeoutMs: TIMEOUT_MS });
}
