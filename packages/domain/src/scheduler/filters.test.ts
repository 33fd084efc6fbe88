import assert from "node:assert/strict";
import { test } from "node:test";
import type { TenantId } from "../ids.ts";
import type { Requirements } from "../job-spec.ts";
import { FILTERS, LASTING_FILTERS, rejection } from "./filters.ts";
import { aHost, aNeed, ROOMY } from "./fixtures.test.ts";
import type { Host } from "./host.ts";
import { waitReasons } from "./wait-reasons.ts";

const OTHER = "other" as TenantId;
const FULL = { cpuMillis: 0, memoryBytes: 0, diskBytes: 0 };

/** For each filter, in their order, what it alone rejects. */
const REJECTED: readonly (readonly [string, Partial<Host>, Partial<Requirements>, RegExp])[] = [
  ["tenant", { tenantId: OTHER }, {}, /take jobs of other tenants only/],
  ["arch", {}, { arch: "arm64" }, /are not arm64/],
  [
    "constraint",
    {},
    { constraints: [{ label: "zone", operator: "eq", values: ["a"] }] },
    /do not meet zone = a$/,
  ],
  ["cpu_capacity", {}, { cpuMillis: 4_001 }, /have fewer than 4.001 cores$/],
  ["memory_capacity", {}, { memoryBytes: 2 ** 32 }, /have less than 4 GiB of memory$/],
  ["state", { state: "draining" }, {}, /are draining/],
  ["cpu", { free: { ...ROOMY, cpuMillis: 500 } }, {}, /have fewer than 1 core free/],
  [
    "memory",
    { free: { ...ROOMY, memoryBytes: 0 } },
    { memoryBytes: 1_024 },
    /have less than 1 KiB of memory free/,
  ],
  ["disk", {}, { diskBytes: 4_001 }, /have less than 3.91 KiB of disk free/],
];

test("each filter rejects what it is for, and says so", () => {
  assert.deepEqual(
    FILTERS.map(({ code }) => code),
    REJECTED.map(([code]) => code),
  );
  assert.equal(rejection(aHost(), aNeed()), undefined);
  for (const [code, host, requirements, message] of REJECTED) {
    const need = aNeed(requirements);
    const filter = rejection(aHost(host), need);
    assert.equal(filter?.code, code);
    assert.match(filter.describe(aHost(host), need), message);
  }
});

test("what lasts is named before what passes", () => {
  const lasting = REJECTED.slice(0, LASTING_FILTERS.length);
  const passing = REJECTED.slice(LASTING_FILTERS.length);
  for (const [code, host, requirements] of lasting) {
    for (const [, hostToo, requirementsToo] of passing) {
      const need = aNeed({ ...requirementsToo, ...requirements });
      assert.equal(rejection(aHost({ ...hostToo, ...host }), need)?.code, code);
    }
  }
});

test("a worker takes jobs of its own tenant, and a shared one those of all", () => {
  const need = aNeed();
  assert.equal(rejection(aHost({ tenantId: need.tenantId }), need), undefined);
  assert.equal(rejection(aHost({ tenantId: null }), { ...need, tenantId: OTHER }), undefined);
});

test("a disk with nothing to offer takes no job, not even one that asks for none", () => {
  const host = aHost({ capacity: { ...ROOMY, diskBytes: 0 }, free: { ...ROOMY, diskBytes: 0 } });
  const filter = rejection(host, aNeed());
  assert.equal(filter?.code, "disk");
  assert.match(filter.describe(host, aNeed()), /too little free disk to take jobs/);
});

test("reasons say how many workers give them, and what is lacking, the most frequent first", () => {
  const hosts = [
    aHost({ free: FULL }),
    aHost({ arch: "arm64" }),
    aHost({ arch: "arm64" }),
    aHost({ state: "lost" }),
    aHost({ state: "draining" }),
    aHost({ state: "draining" }),
    aHost({ state: "draining" }),
  ];
  assert.deepEqual(waitReasons(aNeed({ arch: "x64" }), hosts), [
    { code: "state", message: "3 of 7 workers are draining", workerCount: 3 },
    { code: "arch", message: "2 of 7 workers are not x64", workerCount: 2 },
    { code: "cpu", message: "1 of 7 workers have fewer than 1 core free", workerCount: 1 },
    { code: "state", message: "1 of 7 workers are lost", workerCount: 1 },
  ]);
  assert.deepEqual(
    waitReasons(aNeed(), []).map(({ code }) => code),
    ["no_workers"],
  );
});
