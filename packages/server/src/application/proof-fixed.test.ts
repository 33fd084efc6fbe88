import assert from "node:assert/strict";
import { test } from "node:test";
import type {
  Provider,
  ProvisionRequest,
  ReplicaId,
  StoredEvent,
  Stores,
  WorkerId,
} from "@hodei/domain";
import { FakeProvider } from "@hodei/testkit";
import { EventDelivery } from "./deliver-events.ts";
import {
  aPoolMember,
  connect,
  connectedWorker,
  find,
  running,
  submit,
  testDeps,
} from "./fixtures.test.ts";
import { Provisioner } from "./provision-workers.ts";
import { reapWorkers } from "./reap.ts";
import { registerWorker } from "./register-worker.ts";
import { scheduleJobs } from "./schedule-jobs.ts";
import { DEFAULT_SETTINGS } from "./settings.ts";
import { Uptime } from "./uptime.ts";

const { pollIntervalMs, reconnectGraceMs, orphanGraceMs } = DEFAULT_SETTINGS;
const OTHER_REPLICA = "99999999-0000-7000-8000-000000000001" as ReplicaId;
const HOUR_MS = 3_600_000;

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

test("after the clock was set back, a worker that is gone is lost as soon as otherwise", async () => {
  const uptime = new Uptime(new Date(testDeps().clock.now().getTime() + HOUR_MS));
  const deps = testDeps({ uptime });
  const { peer } = await connectedWorker(deps);
  const { job } = await running(deps, peer);
  await peer.session.close("its machine lost power");
  for (let passedMs = 0; passedMs <= orphanGraceMs + 60_000; passedMs += pollIntervalMs) {
    await deps.clock.advance(pollIntervalMs);
    // As `renewReplica` does.
    uptime.confirm(deps.clock.now(), deps.clock.now(), reconnectGraceMs);
    await deps.database.transact(({ replicas }) =>
      replicas.renew(deps.replicaId, deps.clock.now()),
    );
    await reapWorkers(deps);
  }
  assert.equal((await find(deps, job)).outcome?.reason, "worker_lost");
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

test("a replica delivers nothing that another may be delivering, however slow that is", async () => {
  const deps = testDeps();
  const begun: string[] = [];
  const delivery = (name: string, replicaId: ReplicaId, tookMs: number) =>
    new EventDelivery(
      { ...deps, replicaId },
      {
        name: "webhook",
        types: [],
        deliver: async (event: StoredEvent) => {
          begun.push(`${name} ${event.type}`);
          await deps.clock.sleep(tookMs);
        },
      },
    );
  const first = delivery("first", deps.replicaId, 7_500);
  const second = delivery("second", OTHER_REPLICA, 0);
  await first.run();
  await deps.clock.advance(9_500);
  const { id } = await submit(deps);
  await deps.database.transact(async ({ jobs }) => {
    const job = await jobs.lock(id);
    const at = deps.clock.now();
    const end = { type: "cancelled", at, outcome: { reason: "cancelled_by" } } as never;
    await jobs.update({ ...job, state: "cancelled", finishedAt: at }, [end]);
  });
  const turn = first.run();
  await deps.clock.advance(12_000);
  await second.run();
  await deps.clock.advance(10_000);
  await turn;
  assert.deepEqual(begun, ["first job.created", "first job.cancelled"]);
});

test("a rate limit holds between the times at which attempts were given out, though a worker's row is waited for", async () => {
  const deps = testDeps();
  await connectedWorker(deps);
  const rateLimit = { key: "api", count: 1, perMs: 1_000 };
  const jobs = [await submit(deps, { rateLimit }), await submit(deps, { rateLimit })];
  let waitMs = 800;
  const { database } = deps;
  /** A database in which somebody else holds the worker's row when the first is placed. */
  const busy = {
    readers: database.readers,
    insertJobs: database.insertJobs.bind(database),
    changeJob: database.changeJob.bind(database),
    transact: <T>(work: (stores: Stores) => Promise<T>) =>
      database.transact((stores) => {
        const lockAll: Stores["workers"]["lockAll"] = async (ids) => {
          await deps.clock.advance(waitMs);
          waitMs = 0;
          return stores.workers.lockAll(ids);
        };
        const workers = new Proxy(stores.workers, {
          get: (target, name) => {
            if (name === "lockAll") return lockAll;
            const member = Reflect.get(target, name);
            return typeof member === "function" ? member.bind(target) : member;
          },
        });
        return work({ ...stores, workers });
      }),
  };
  await scheduleJobs({ ...deps, database: busy });
  await deps.clock.advance(201);
  await scheduleJobs({ ...deps, database: busy });
  const attempts = await Promise.all(jobs.map(({ id }) => database.readers.attempts.list(id)));
  const [a, b] = attempts.flat().map(({ assignedAt }) => assignedAt.getTime());
  if (a === undefined || b === undefined) return;
  assert.ok(Math.abs(b - a) >= rateLimit.perMs, `two starts within ${Math.abs(b - a)} ms`);
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
