import { anyRequirements } from "@hodei/testkit";
import fc from "fast-check";
import { DEFAULT_TENANT_ID, type TenantId, type WorkerId } from "../ids.ts";
import type { Requirements } from "../job-spec.ts";
import type { Capacity } from "../worker.ts";
import type { Host, Need } from "./host.ts";

const NOTHING: Requirements = {
  cpuMillis: 0,
  memoryBytes: 0,
  diskBytes: 0,
  arch: null,
  constraints: [],
};

export const ROOMY: Capacity = { cpuMillis: 4_000, memoryBytes: 4_000, diskBytes: 4_000 };

/** An empty, connected worker that takes jobs of every tenant, but for `parts`. */
export function aHost(parts: Partial<Host> = {}): Host {
  return {
    workerId: "worker-a" as WorkerId,
    state: "ready",
    tenantId: null,
    arch: "x64",
    labels: {},
    capacity: ROOMY,
    free: ROOMY,
    heldCount: 0,
    ...parts,
  };
}

/** One core, but for `requirements`. */
export function aNeed(requirements: Partial<Requirements> = {}): Need {
  return {
    tenantId: DEFAULT_TENANT_ID,
    requirements: { ...NOTHING, cpuMillis: 1_000, ...requirements },
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
  });

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
        }),
        usedShare: fc.constantFrom(0, 0, 0.5, 1),
        heldCount: fc.nat({ max: 3 }),
      })
      .map(({ usedShare, ...host }) => ({ ...host, free: shareOf(host.capacity, 1 - usedShare) })),
    { maxLength: 6, selector: ({ workerId }) => workerId },
  );

function shareOf({ cpuMillis, memoryBytes, diskBytes }: Capacity, share: number): Capacity {
  return {
    cpuMillis: Math.floor(cpuMillis * share),
    memoryBytes: Math.floor(memoryBytes * share),
    diskBytes: Math.floor(diskBytes * share),
  };
}
