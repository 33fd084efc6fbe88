import assert from "node:assert/strict";
import { test } from "node:test";
import { after } from "@hodei/testkit";
import fc from "fast-check";
import { DEFAULT_TENANT_ID, type JobId } from "./ids.ts";
import { comingHosts, type Pool, type PoolDemand, provisionCount } from "./pool.ts";
import type { Candidate } from "./scheduler/plan.ts";

const POOL: Pool = {
  name: "local",
  provider: "process",
  minWorkers: 0,
  maxWorkers: 10,
  warmWorkers: 0,
  idleTimeoutMs: null,
  lifetimeMs: null,
  oneJob: false,
  maxStartsPerMinute: 1_000,
  template: {
    arch: "x64",
    labels: { os: "linux" },
    capacity: {
      cpuMillis: 2_000,
      memoryBytes: 1_000,
      diskBytes: 1_000,
      gpuCount: 0,
      attemptCount: 10,
    },
  },
};

function waiting(count: number, parts: Partial<Candidate["requirements"]> = {}): Candidate[] {
  return Array.from({ length: count }, (_, index) => ({
    jobId: `job-${index}` as JobId,
    version: 1,
    priority: 0,
    urgentSince: after(index),
    tenantId: DEFAULT_TENANT_ID,
    placement: { preferences: [], policy: null },
    concurrency: null,
    rateLimit: null,
    claimedWorkerId: null,
    requirements: {
      cpuMillis: 1_000,
      memoryBytes: 0,
      diskBytes: 0,
      gpuCount: 0,
      gpuModel: null,
      arch: null,
      constraints: [],
      tolerations: [],
      ...parts,
    },
  }));
}

function demand(parts: Partial<PoolDemand> = {}): PoolDemand {
  return {
    liveCount: 0,
    bootingCount: 0,
    idleCount: 0,
    recentStartCount: 0,
    unplaceable: [],
    ...parts,
  };
}

test("a job without a worker causes exactly one, and none while that one boots", () => {
  assert.equal(provisionCount(POOL, demand({ unplaceable: waiting(1) })), 1);
  const booting = { liveCount: 1, bootingCount: 1 };
  assert.equal(provisionCount(POOL, demand({ ...booting, unplaceable: waiting(1) })), 0);
});

test("as many are made as the waiting jobs fill, less those that boot", () => {
  assert.equal(provisionCount(POOL, demand({ unplaceable: waiting(2) })), 1, "two fit one worker");
  assert.equal(provisionCount(POOL, demand({ unplaceable: waiting(5) })), 3);
  const booting = { liveCount: 2, bootingCount: 2 };
  assert.equal(provisionCount(POOL, demand({ ...booting, unplaceable: waiting(5) })), 1);
});

test("how jobs are spread over the workers that are there says nothing about how many are needed", () => {
  const unplaceable = waiting(4).map((job) => ({
    ...job,
    placement: { preferences: [], policy: "spread" as const },
  }));
  assert.equal(provisionCount(POOL, demand({ unplaceable })), 2);
});

test("jobs that no worker of the pool could take cause none", () => {
  const unplaceable = [
    ...waiting(3, { arch: "arm64" }),
    ...waiting(3, { cpuMillis: 2_001 }),
    ...waiting(3, { constraints: [{ label: "gpu", operator: "exists", values: [] }] }),
  ];
  assert.equal(provisionCount(POOL, demand({ unplaceable })), 0);
});

test("a pool keeps its least size without any job, and its largest with many", () => {
  const pool = { ...POOL, minWorkers: 3 };
  assert.equal(provisionCount(pool, demand()), 3);
  assert.equal(provisionCount(pool, demand({ liveCount: 2, bootingCount: 2 })), 1);
  assert.equal(provisionCount(pool, demand({ unplaceable: waiting(1) })), 3);
  assert.equal(provisionCount(pool, demand({ unplaceable: waiting(1_000) })), 10);
  assert.equal(provisionCount(pool, demand({ liveCount: 10, unplaceable: waiting(9) })), 0);
  assert.equal(provisionCount(pool, demand({ liveCount: 12, unplaceable: waiting(9) })), 0);
});

test("no demand takes a pool beyond its size, or leaves it below", () => {
  const anyCase = fc.record({
    sizes: fc.tuple(fc.nat({ max: 20 }), fc.nat({ max: 20 })),
    liveCount: fc.nat({ max: 25 }),
    bootingShare: fc.double({ min: 0, max: 1, noNaN: true }),
    waitingCount: fc.nat({ max: 60 }),
  });
  fc.assert(
    fc.property(anyCase, ({ sizes, liveCount, bootingShare, waitingCount }) => {
      const [minWorkers, maxWorkers] = [Math.min(...sizes), Math.max(...sizes)];
      const bootingCount = Math.floor(liveCount * bootingShare);
      const unplaceable = waiting(waitingCount);
      const pool = { ...POOL, minWorkers, maxWorkers };
      const count = provisionCount(pool, demand({ liveCount, bootingCount, unplaceable }));
      assert.ok(count >= 0);
      assert.ok(count === 0 || liveCount + count <= maxWorkers);
      assert.ok(liveCount + count >= minWorkers);
      assert.ok(
        count <= Math.max(minWorkers - liveCount, Math.ceil(waitingCount / 2) - bootingCount, 0),
      );
    }),
  );
});

test("a pool has a worker coming while it may make one, or one is booting", () => {
  const pool = { ...POOL, maxWorkers: 1 };
  const { name, provider } = pool;
  const up = { pool: name, provider, connectedAt: after(0) };
  const coming = (workers: Parameters<typeof comingHosts>[1]) =>
    comingHosts([pool], workers).map(({ capacity }) => capacity);
  assert.deepEqual(coming([]), [pool.template.capacity]);
  assert.deepEqual(coming([up]), []);
  assert.deepEqual(coming([{ ...up, connectedAt: null }]), [pool.template.capacity]);
  assert.equal(coming([{ ...up, provider: "other" }]).length, 1);
});
