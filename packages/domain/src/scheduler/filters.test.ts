import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { TenantId } from "../ids.ts";
import type { Requirements, Toleration } from "../job-spec.ts";
import type { Capacity } from "../worker.ts";
import { FILTERS, passes, ROOM_FILTERS, rejection } from "./filters.ts";
import { aHost, aNeed, anyHosts, anyNeed, ROOMY } from "./fixtures.test.ts";
import { type FreeBefore, type Host, hasRoom } from "./host.ts";
import { waitReasons } from "./wait-reasons.ts";

const OTHER = "other" as TenantId;
const FULL: Capacity = {
  cpuMillis: 0,
  memoryBytes: 0,
  diskBytes: 0,
  gpuCount: 0,
  attemptCount: 0,
};
/** Where a plan gave or promised all that is free to others. */
const given = (before: Partial<FreeBefore>): Partial<Host> => ({
  free: FULL,
  before: { placements: ROOMY, reservations: FULL, ...before },
});

/** For each filter, in their order, what it alone rejects. */
const REJECTED: readonly (readonly [string, Partial<Host>, Partial<Requirements>, RegExp])[] = [
  ["tenant", { tenantId: OTHER }, {}, /^take jobs of other tenants only$/],
  ["arch", {}, { arch: "arm64" }, /^are not arm64$/],
  [
    "constraint",
    {},
    { constraints: [{ label: "zone", operator: "eq", values: ["a"] }] },
    /^do not meet zone = a$/,
  ],
  ["taint", { taints: [{ key: "gpu", value: "" }] }, {}, /^have the taint gpu$/],
  ["gpu_model", {}, { gpuCount: 1, gpuModel: "h100" }, /^have no h100 GPUs$/],
  ["cpu_capacity", {}, { cpuMillis: 4_001 }, /^have fewer than 4.001 cores$/],
  ["memory_capacity", {}, { memoryBytes: 2 ** 32 }, /^have less than 4 GiB of memory$/],
  ["gpu_capacity", {}, { gpuCount: 3 }, /^have fewer than 3 GPUs$/],
  ["state", { state: "draining" }, {}, /^are draining$/],
  [
    "disk_full",
    { capacity: { ...ROOMY, diskBytes: 0 }, free: { ...ROOMY, diskBytes: 0 } },
    {},
    /^have too little free disk to take jobs$/,
  ],
  ["reserved", given({ reservations: ROOMY }), {}, /^are kept for jobs before it/],
  ["outranked", given({}), {}, /^have room, which jobs before it take$/],
  ["attempts", { free: { ...ROOMY, attemptCount: 0 } }, {}, /^hold 10 attempts, as many as they/],
  ["cpu", { free: { ...ROOMY, cpuMillis: 500 } }, {}, /^have fewer than 1 core free$/],
  [
    "memory",
    { free: { ...ROOMY, memoryBytes: 0 } },
    { memoryBytes: 1_024 },
    /^have less than 1 KiB of memory free$/,
  ],
  ["disk", {}, { diskBytes: 4_001 }, /^have less than 3.91 KiB of disk free$/],
  [
    "gpu",
    { free: { ...ROOMY, gpuCount: 0 } },
    { gpuCount: 1, gpuModel: "a100" },
    /^have fewer than 1 a100 GPU free$/,
  ],
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
  const lasting = REJECTED.slice(0, -ROOM_FILTERS.length);
  const passing = REJECTED.slice(-ROOM_FILTERS.length);
  for (const [code, host, requirements] of lasting) {
    for (const [, hostToo, requirementsToo] of passing) {
      const need = aNeed({ ...requirementsToo, ...requirements });
      assert.equal(rejection(aHost({ ...hostToo, ...host }), need)?.code, code);
    }
  }
});

test("there is room exactly where no filter of that kind rejects", () => {
  fc.assert(
    fc.property(anyHosts(), anyNeed(), (hosts, need) => {
      for (const host of hosts) {
        const expected = hasRoom(host.free, need.requirements);
        assert.equal(passes(ROOM_FILTERS, host, need), expected);
        const before = { placements: host.capacity, reservations: host.capacity };
        assert.equal(passes(ROOM_FILTERS, { ...host, before }, need), expected);
      }
    }),
  );
});

test("what a plan gave to others is not taken for what runs there", () => {
  const free = { ...ROOMY, cpuMillis: 500 };
  const host = aHost({ free: FULL, before: { placements: free, reservations: free } });
  assert.equal(rejection(host, aNeed())?.code, "cpu");
});

test("a taint keeps out what does not tolerate its key with its value, or with any", () => {
  const host = aHost({ taints: [{ key: "spot", value: "eu" }] });
  const code = (...tolerations: Toleration[]) => rejection(host, aNeed({ tolerations }))?.code;
  assert.equal(code({ key: "spot", value: "eu" }), undefined);
  assert.equal(code({ key: "spot", value: "" }), undefined);
  assert.equal(code({ key: "spot", value: "us" }), "taint");
  assert.equal(code({ key: "other", value: "eu" }), "taint");
  assert.equal(code(), "taint");
});

test("a worker takes jobs of its own tenant, and a shared one those of all", () => {
  const need = aNeed();
  assert.equal(rejection(aHost({ tenantId: need.tenantId }), need), undefined);
  assert.equal(rejection(aHost({ tenantId: null }), { ...need, tenantId: OTHER }), undefined);
});

test("reasons say how many workers give them, and what is lacking, the most frequent first", () => {
  const hosts = [
    aHost({ free: { ...ROOMY, cpuMillis: 0 } }),
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
