import { after, anyPlacementTerms, anyRequirements } from "@hodei/testkit";
import fc from "fast-check";
import { DEFAULT_TENANT_ID, type JobId, type TenantId, type WorkerId } from "../ids.ts";
import type { PlacementPolicy, Requirements } from "../job-spec.ts";
import type { Capacity } from "../worker.ts";
import type { Host, Need } from "./host.ts";
import type { Candidate } from "./plan.ts";
import { NO_RECORD, type TrackRecord } from "./track-record.ts";
import { urgentSince } from "./urgency.ts";

const NOTHING: Requirements = {
  cpuMillis: 0,
  memoryBytes: 0,
  diskBytes: 0,
  gpuCount: 0,
  gpuModel: null,
  arch: null,
  constraints: [],
  tolerations: [],
};

export const ROOMY: Capacity = {
  cpuMillis: 4_000,
  memoryBytes: 4_000,
  diskBytes: 4_000,
  gpuCount: 2,
  attemptCount: 10,
};

/** An empty, connected worker that takes jobs of every tenant, but for `parts`. */
export function aHost(parts: Partial<Host> = {}): Host {
  return {
    workerId: "worker-a" as WorkerId,
    state: "ready",
    tenantId: null,
    pool: "a",
    poolPolicy: null,
    arch: "x64",
    labels: {},
    taints: [],
    gpuModel: "a100",
    capacity: ROOMY,
    free: ROOMY,
    turn: 0,
    track: NO_RECORD,
    before: null,
    ...parts,
  };
}

/** One core, but for `requirements`. */
export function aNeed(requirements: Partial<Requirements> = {}): Need {
  return {
    tenantId: DEFAULT_TENANT_ID,
    requirements: { ...NOTHING, cpuMillis: 1_000, ...requirements },
    placement: { preferences: [], policy: null },
  };
}

/** Due at the start and of priority 0, but for `parts`. */
export function aCandidate(
  id: string,
  { priority = 0, dueAt = after(0), ...parts }: Partial<Candidate> & { dueAt?: Date } = {},
): Candidate {
  return {
    ...aNeed(),
    jobId: id as JobId,
    version: 1,
    concurrency: null,
    rateLimit: null,
    priority,
    urgentSince: urgentSince(dueAt, priority),
    claimedWorkerId: null,
    ...parts,
  };
}

const anyTenant = () => fc.constantFrom(DEFAULT_TENANT_ID, "other" as TenantId);

export const anyNeed = (): fc.Arbitrary<Need> =>
  fc.record({
    tenantId: anyTenant(),
    requirements: fc.oneof(
      fc.nat({ max: 4_000 }).map((cpuMillis) => ({ ...NOTHING, cpuMillis })),
      anyRequirements(),
    ),
    placement: fc.oneof(fc.constant({ preferences: [], policy: null }), anyPlacementTerms()),
  });

export const anyCandidates = (): fc.Arbitrary<Candidate[]> =>
  fc.uniqueArray(
    fc
      .record({
        need: anyNeed(),
        jobId: fc.nat({ max: 999 }).map((n) => `job-${n}` as JobId),
        version: fc.nat({ max: 9 }),
        priority: fc.integer({ min: -2, max: 2 }),
        dueAt: fc.nat({ max: 3 }).map(after),
      })
      .map(({ need, dueAt, ...facts }) => ({
        ...need,
        ...facts,
        concurrency: null,
        rateLimit: null,
        urgentSince: urgentSince(dueAt, facts.priority),
        claimedWorkerId: null,
      })),
    { maxLength: 12, selector: ({ jobId }) => jobId },
  );

const anyTrackRecord = (): fc.Arbitrary<TrackRecord> =>
  fc
    .record({
      ended: fc.tuple(fc.nat({ max: 9 }), fc.nat({ max: 9 })),
      made: fc.tuple(fc.nat({ max: 9 }), fc.nat({ max: 9 })),
      startMs: fc.option(fc.nat({ max: 60_000 })),
    })
    .map(({ ended, made, startMs }) => ({
      endedCount: Math.max(...ended),
      faultCount: Math.min(...ended),
      madeCount: Math.max(...made),
      failedCount: Math.min(...made),
      startMs,
    }));

/** Of the pools of `anyHosts`; "c" has none. */
const POOL_POLICIES: Readonly<Record<string, PlacementPolicy>> = {
  a: "bin_pack",
  b: "round_robin",
};

export const anyHosts = (): fc.Arbitrary<Host[]> =>
  fc.uniqueArray(
    fc
      .record({
        workerId: fc.nat({ max: 99 }).map((n) => `worker-${n}` as WorkerId),
        state: fc.constantFrom("ready" as const, "ready" as const, "draining" as const),
        tenantId: fc.option(anyTenant()),
        arch: fc.constantFrom("x64", "arm64"),
        labels: fc.dictionary(fc.constantFrom("a", "b"), fc.constantFrom("1", "2", "x")),
        capacity: fc.record({
          cpuMillis: fc.nat({ max: 8_000 }),
          memoryBytes: fc.nat({ max: 2 ** 40 }),
          diskBytes: fc.nat({ max: 2 ** 50 }),
          gpuCount: fc.nat({ max: 2 }),
          attemptCount: fc.integer({ min: 1, max: 4 }),
        }),
        taints: fc.constantFrom([], [], [{ key: "a", value: "1" }]),
        gpuModel: fc.constantFrom("", "a100"),
        usedShare: fc.constantFrom(0, 0, 0.5, 1),
        pool: fc.constantFrom("a", "b", "c"),
        turn: fc.nat({ max: 3 }),
        track: anyTrackRecord(),
      })
      .map(({ usedShare, ...host }) => ({
        ...host,
        poolPolicy: POOL_POLICIES[host.pool] ?? null,
        before: null,
        free: shareOf(host.capacity, 1 - usedShare),
      })),
    { maxLength: 6, selector: ({ workerId }) => workerId },
  );

function shareOf(capacity: Capacity, share: number): Capacity {
  const part = (amount: number) => Math.floor(amount * share);
  return {
    cpuMillis: part(capacity.cpuMillis),
    memoryBytes: part(capacity.memoryBytes),
    diskBytes: part(capacity.diskBytes),
    gpuCount: part(capacity.gpuCount),
    attemptCount: part(capacity.attemptCount),
  };
}
