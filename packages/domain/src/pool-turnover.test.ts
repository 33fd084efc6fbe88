import assert from "node:assert/strict";
import { test } from "node:test";
import { after, aPool, aWorker } from "@hodei/testkit";
import fc from "fast-check";
import type { WorkerId } from "./ids.ts";
import type { Pool } from "./pool.ts";
import { bootFailures, departures, type PoolWorker } from "./pool-turnover.ts";

const NOW = after(100_000);

/** Ready workers, each as old as said, and idle for as long. `null`: it has attempts. */
function ready(...workers: readonly (readonly [ageMs: number, idleMs: number | null])[]) {
  return workers.map(([ageMs, idleMs], index): PoolWorker => {
    const id = `worker-${index}` as WorkerId;
    const idleSince = idleMs === null ? null : after(100_000 - idleMs);
    return { id, createdAt: after(100_000 - ageMs), idleSince };
  });
}

function leaving(parts: Partial<Pool>, workers: readonly PoolWorker[], drainingCount = 0) {
  const pool = aPool({ maxWorkers: 100, ...parts });
  return departures(pool, workers, { drainingCount, now: NOW }).map(({ id }) => id);
}

test("idle workers leave, the longest idle first, down to the least and the warm ones", () => {
  const workers = ready([90, 10], [90, 50], [90, null], [90, 40], [90, 60]);
  assert.deepEqual(leaving({}, workers), []);
  const idleTimeoutMs = 40;
  assert.deepEqual(leaving({ idleTimeoutMs }, workers), ["worker-4", "worker-1", "worker-3"]);
  assert.deepEqual(leaving({ idleTimeoutMs, minWorkers: 4 }, workers), ["worker-4"]);
  assert.deepEqual(leaving({ idleTimeoutMs, warmWorkers: 2 }, workers), ["worker-4", "worker-1"]);
});

test("old workers leave, busy ones too, but never more than half of a pool at once", () => {
  const lifetimeMs = 50;
  assert.deepEqual(leaving({ lifetimeMs }, ready([60, null], [40, 40])), ["worker-0"]);
  const old = ready([70, null], [80, null], [60, null], [90, null]);
  assert.deepEqual(leaving({ lifetimeMs }, old), ["worker-3", "worker-1"]);
  assert.deepEqual(leaving({ lifetimeMs }, old, 2), ["worker-3"]);
  assert.deepEqual(leaving({ lifetimeMs }, ready([60, null])), ["worker-0"]);
});

test("whoever leaves for being idle leaves the least and the warm ones behind", () => {
  const anyWorkers = fc.array(
    fc.tuple(fc.nat({ max: 99 }), fc.option(fc.nat({ max: 99 }), { nil: null })),
    { maxLength: 20 },
  );
  const anyPool = fc.record({
    minWorkers: fc.nat({ max: 10 }),
    warmWorkers: fc.nat({ max: 10 }),
    idleTimeoutMs: fc.nat({ max: 99 }),
  });
  fc.assert(
    fc.property(anyWorkers, anyPool, (list, pool) => {
      const workers = ready(...list);
      const gone = new Set(leaving(pool, workers));
      const left = workers.filter(({ id }) => !gone.has(id));
      const isIdle = ({ idleSince }: PoolWorker) => idleSince !== null;
      assert.ok(gone.size === 0 || left.length >= pool.minWorkers);
      assert.ok(gone.size === 0 || left.filter(isIdle).length >= pool.warmWorkers);
      assert.ok(workers.filter(({ id }) => gone.has(id)).every(isIdle));
    }),
  );
});

test("a pool whose last workers did not come up waits twice as long each time, a minute at most", () => {
  const up = aWorker({ terminatedAt: after(90) });
  const booting = aWorker({ connectedAt: null });
  const failed = (ms: number) => aWorker({ connectedAt: null, terminatedAt: after(ms) });
  assert.equal(bootFailures([]), undefined);
  assert.equal(bootFailures([booting, up, failed(10)]), undefined);
  assert.deepEqual(bootFailures([booting, failed(10), up, failed(5)]), {
    count: 1,
    retryAt: after(1_010),
  });
  assert.deepEqual(bootFailures([failed(30), failed(20), failed(10)]), {
    count: 3,
    retryAt: after(4_030),
  });
  const many = Array.from({ length: 20 }, () => failed(10));
  assert.deepEqual(bootFailures(many), { count: 20, retryAt: after(60_010) });
});
