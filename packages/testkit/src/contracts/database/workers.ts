import assert from "node:assert/strict";
import { test } from "node:test";
import {
  applyWorkerEvent,
  createWorker,
  REPLICA_KEPT_MS,
  type ReplicaId,
  type TenantId,
  type WorkerEvent,
  type WorkerId,
  type WorkerState,
} from "@hodei/domain";
import { after, aWorker, START, someWorkerFacts } from "../../builders.ts";
import type { Open } from "./scene.ts";

export function testWorkers(open: Open): void {
  testStoredWorkers(open);
  testWorkerLists(open);
  testNewestWorkers(open);
  testJoinTokens(open);
  testReplicas(open);
}

function testStoredWorkers(open: Open): void {
  test("every field that changes in a worker's life is stored", async (context) => {
    const scene = await open(context);
    const { database, ids } = scene;
    const facts = { id: ids.next() as WorkerId, tenantId: "acme" as TenantId, pool: "p" };
    const connectBy = after(1_000);
    let worker = createWorker({ ...facts, provider: "process", connectBy }, START);
    await database.transact(({ workers }) => workers.insert(worker, "request/1"));
    assert.deepEqual(await database.readers.workers.get(worker.id), worker);
    const life: WorkerEvent[] = [
      { type: "registered", at: after(1) },
      {
        type: "connected",
        at: after(2),
        replicaId: ids.next() as ReplicaId,
        facts: someWorkerFacts({ labels: { "os/name": "linux" } }),
      },
      {
        type: "capacity_changed",
        at: after(3),
        capacity: { ...someWorkerFacts().capacity, diskBytes: 0 },
      },
      { type: "disconnected", at: after(3), connectBy: after(9_000), message: "gone" },
      { type: "drain_requested", at: after(4), by: "somebody" },
      { type: "terminated", at: after(5), message: "done" },
    ];
    for (const event of life) {
      const { version } = worker;
      worker = await database.transact(async ({ workers }) =>
        workers.update(applyWorkerEvent(await workers.lock(worker.id), event), [event]),
      );
      assert.equal(worker.version, version + 1);
      assert.deepEqual(await database.readers.workers.find(worker.id), worker);
    }
    assert.deepEqual(scene.committedTypes, [
      "worker.created",
      ...life.map(({ type }) => `worker.${type}`),
    ]);
  });

  test("an unknown worker is not found, a stale write refused", async (context) => {
    const scene = await open(context);
    const { workers } = scene.database.readers;
    const unknown = scene.ids.next() as WorkerId;
    assert.equal(await workers.find(unknown), undefined);
    await assert.rejects(workers.get(unknown), { code: "not_found" });
    const worker = await scene.worker();
    await scene.database.transact((stores) => stores.workers.update(worker, []));
    await assert.rejects(
      scene.database.transact((stores) => stores.workers.update(worker, [])),
      { code: "conflict", reason: "stale_version" },
    );
  });
}

function testWorkerLists(open: Open): void {
  test("lists are by tenant and state, newest first, in pages", async (context) => {
    const scene = await open(context);
    const parts = (createdAtMs: number, state: WorkerState = "ready") => ({
      createdAt: after(createdAtMs),
      state,
    });
    const workers = [
      await scene.worker(parts(2)),
      await scene.worker(parts(1, "lost")),
      await scene.worker(parts(3)),
      await scene.worker(parts(4, "terminated")),
    ];
    await scene.worker({ tenantId: "other" as TenantId });
    const list = async (states: readonly WorkerState[], limit: number) => {
      const seen: (WorkerId | undefined)[] = [];
      let token: string | null = null;
      do {
        const filter = { tenantId: aWorker().tenantId, states };
        const page = await scene.database.readers.workers.list(filter, { limit, token });
        seen.push(...page.items.map(({ id }) => id));
        token = page.nextToken;
      } while (token !== null);
      return seen.map((id) => workers.findIndex((worker) => worker.id === id));
    };
    assert.deepEqual(await list([], 2), [3, 2, 0, 1]);
    assert.deepEqual(await list([], 4), [3, 2, 0, 1]);
    assert.deepEqual(await list(["ready"], 1), [2, 0]);
    assert.deepEqual(await list(["lost", "terminated"], 10), [3, 1]);
    assert.deepEqual(await list(["draining"], 10), []);
  });

  test("live workers are all but the terminated, of every tenant", async (context) => {
    const scene = await open(context);
    const states: WorkerState[] = ["provisioning", "connecting", "ready", "draining", "lost"];
    for (const state of states)
      await scene.worker({ state, tenantId: state as string as TenantId });
    const gone = await scene.worker({ state: "terminated" });
    const { workers } = scene.database.readers;
    const live = await workers.listLive();
    assert.deepEqual(live.map(({ state }) => state).toSorted(), states.toSorted());
    const [one, other] = live;
    assert.ok(one && other);
    assert.deepEqual(await workers.findLive([gone.id, one.id]), [one]);
    assert.equal((await workers.findLive([one.id, other.id])).length, 2);
    assert.deepEqual(await workers.findLive([]), []);
  });
}

function testNewestWorkers(open: Open): void {
  test("the newest workers of a pool are those that its provider made for it", async (context) => {
    const scene = await open(context);
    const pool = { name: "p", provider: "q" };
    const parts = { pool: "p", provider: "q" };
    const first = await scene.worker({ ...parts, createdAt: after(1), state: "terminated" });
    const last = await scene.worker({ ...parts, createdAt: after(3) });
    const middle = await scene.worker({ ...parts, createdAt: after(2) });
    await scene.worker({ ...parts, pool: "other" });
    await scene.worker({ ...parts, provider: "joined" });
    const list = async (limit: number) =>
      (await scene.database.readers.workers.listNewest(pool, limit)).map(({ id }) => id);
    assert.deepEqual(await list(2), [last.id, middle.id]);
    assert.deepEqual(await list(10), [last.id, middle.id, first.id]);
  });
}

function testJoinTokens(open: Open): void {
  test("a join token works once, and until it expires", async (context) => {
    const scene = await open(context);
    const { database } = scene;
    const { id: workerId } = await scene.worker();
    const token = { hash: "hash-1", workerId, expiresAt: after(100) };
    const expired = { hash: "hash-2", workerId, expiresAt: after(50) };
    await database.transact(async ({ joinTokens }) => {
      await joinTokens.insert(token);
      await joinTokens.insert(expired);
    });
    const spend = (hash: string, ms: number) =>
      database.transact(({ joinTokens }) => joinTokens.spend(hash, after(ms)));
    assert.equal(await spend("hash-0", 60), undefined);
    assert.equal(await spend("hash-2", 50), undefined);
    assert.deepEqual(await spend("hash-1", 99), token);
    assert.equal(await spend("hash-1", 99), undefined);
  });

  test("of many that spend a join token at once, one gets it", async (context) => {
    const scene = await open(context);
    const { id: workerId } = await scene.worker();
    const token = { hash: "hash-1", workerId, expiresAt: after(100) };
    await scene.database.transact(({ joinTokens }) => joinTokens.insert(token));
    const spent = await Promise.all(
      Array.from({ length: 8 }, () =>
        scene.database.transact(({ joinTokens }) => joinTokens.spend("hash-1", START)),
      ),
    );
    assert.equal(spent.filter((found) => found !== undefined).length, 1);
  });

  test("a join token is for a worker that exists", async (context) => {
    const { database, ids } = await open(context);
    const token = { hash: "h", workerId: ids.next() as WorkerId, expiresAt: after(100) };
    await assert.rejects(
      database.transact(({ joinTokens }) => joinTokens.insert(token)),
      { code: "not_found" },
    );
  });
}

function testReplicas(open: Open): void {
  test("replicas are listed with their latest renewal until they are removed", async (context) => {
    const { database } = await open(context);
    const [a, b] = ["replica-a" as ReplicaId, "replica-b" as ReplicaId];
    await database.transact(async ({ replicas }) => {
      await replicas.renew(b, after(1));
      await replicas.renew(a, after(2));
      await replicas.renew(b, after(3));
    });
    const list = () => database.readers.replicas.list();
    assert.deepEqual(await list(), [
      { id: a, renewedAt: after(2) },
      { id: b, renewedAt: after(3) },
    ]);
    await database.transact(({ replicas }) => replicas.remove(a));
    await database.transact(({ replicas }) => replicas.remove(a));
    assert.deepEqual(await list(), [{ id: b, renewedAt: after(3) }]);
    const [late, later] = [after(REPLICA_KEPT_MS + 2), after(REPLICA_KEPT_MS + 3)];
    await database.transact(({ replicas }) => replicas.renew(a, late));
    assert.equal((await list()).length, 2);
    await database.transact(({ replicas }) => replicas.renew(a, later));
    assert.deepEqual(await list(), [{ id: a, renewedAt: later }], "the other died");
  });
}
