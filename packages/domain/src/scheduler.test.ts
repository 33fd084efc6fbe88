import assert from "node:assert/strict";
import { test } from "node:test";
import { after, anyConstraint, anyRequirements } from "@hodei/testkit";
import fc from "fast-check";
import type { JobId, WorkerId } from "./ids.ts";
import type { Constraint, Requirements } from "./job-spec.ts";
import {
  binPack,
  type Candidate,
  type Host,
  holds,
  leastLoaded,
  planPlacements,
  rejection,
  subtract,
  waitReasons,
} from "./scheduler.ts";
import type { Capacity } from "./worker.ts";

const NOTHING: Requirements = {
  cpuMillis: 0,
  memoryBytes: 0,
  diskBytes: 0,
  arch: null,
  constraints: [],
};
const ROOMY: Capacity = { cpuMillis: 4_000, memoryBytes: 4_000, diskBytes: 4_000 };

function aHost(parts: Partial<Host> = {}): Host {
  const workerId = "worker-a" as WorkerId;
  return { workerId, arch: "x64", labels: {}, capacity: ROOMY, free: ROOMY, ...parts };
}

function aCandidate(id: string, parts: Partial<Candidate> = {}): Candidate {
  const requirements = { ...NOTHING, cpuMillis: 1_000 };
  return {
    jobId: id as JobId,
    version: 1,
    priority: 0,
    createdAt: after(0),
    requirements,
    ...parts,
  };
}

const anyHosts = (): fc.Arbitrary<Host[]> =>
  fc.uniqueArray(
    fc
      .record({
        workerId: fc.nat({ max: 99 }).map((n) => `worker-${n}` as WorkerId),
        arch: fc.constantFrom("x64", "arm64"),
        labels: fc.dictionary(fc.constantFrom("a", "b"), fc.constantFrom("1", "2", "x")),
        free: fc.record({
          cpuMillis: fc.nat({ max: 8_000 }),
          memoryBytes: fc.nat({ max: 2 ** 40 }),
          diskBytes: fc.nat({ max: 2 ** 50 }),
        }),
      })
      .map((host) => ({ ...host, capacity: host.free })),
    { maxLength: 6, selector: ({ workerId }) => workerId },
  );

const anyCandidates = (): fc.Arbitrary<Candidate[]> =>
  fc.uniqueArray(
    fc.record({
      jobId: fc.nat({ max: 999 }).map((n) => `job-${n}` as JobId),
      version: fc.nat({ max: 9 }),
      priority: fc.integer({ min: -2, max: 2 }),
      createdAt: fc.nat({ max: 3 }).map(after),
      requirements: fc.oneof(
        fc.nat({ max: 4_000 }).map((cpuMillis) => ({ ...NOTHING, cpuMillis })),
        anyRequirements(),
      ),
    }),
    { maxLength: 12, selector: ({ jobId }) => jobId },
  );

for (const [name, scorer] of [
  ["least loaded", leastLoaded],
  ["bin pack", binPack],
] as const) {
  test(`no host is filled beyond what is free, and every job is placed or explained: ${name}`, () => {
    fc.assert(
      fc.property(anyCandidates(), anyHosts(), (candidates, hosts) => {
        const before = JSON.stringify(hosts);
        const { placements, unplaceable } = planPlacements(candidates, hosts, scorer);
        assert.equal(JSON.stringify(hosts), before, "arguments stay as they were");
        const freeOf = new Map(hosts.map((host) => [host.workerId, host.free]));
        for (const { jobId, version, workerId } of placements) {
          const host = hosts.find((other) => other.workerId === workerId);
          const candidate = candidates.find((other) => other.jobId === jobId);
          assert.ok(host && candidate);
          assert.equal(version, candidate.version);
          assert.equal(rejection(host, candidate.requirements), undefined);
          const free = subtract(freeOf.get(workerId) ?? host.free, candidate.requirements);
          assert.ok(Math.min(free.cpuMillis, free.memoryBytes, free.diskBytes) >= 0);
          freeOf.set(workerId, free);
        }
        const handled = [...placements, ...unplaceable].map(({ jobId }) => jobId);
        assert.deepEqual(handled.toSorted(), candidates.map(({ jobId }) => jobId).toSorted());
        for (const { jobId, reasons } of unplaceable) {
          const counts = reasons.map(({ workerCount }) => workerCount);
          const sum = counts.reduce((a, b) => a + b, 0);
          assert.ok(reasons.length > 0, jobId);
          assert.equal(sum, hosts.length, "every worker gives one reason");
          assert.deepEqual(
            counts,
            counts.toSorted((a, b) => b - a),
          );
        }
      }),
    );
  });

  test(`the same question has the same answer, in whatever order it is put: ${name}`, () => {
    fc.assert(
      fc.property(anyCandidates(), anyHosts(), (candidates, hosts) => {
        const plan = planPlacements(candidates, hosts, scorer);
        assert.deepEqual(planPlacements(candidates.toReversed(), hosts, scorer), plan);
      }),
    );
  });
}

test("when there is room for one, the most urgent gets it: priority, then age, then id", () => {
  const candidates = [
    aCandidate("d", { createdAt: after(2) }),
    aCandidate("c", { createdAt: after(1) }),
    aCandidate("b", { createdAt: after(1) }),
    aCandidate("a", { createdAt: after(9), priority: 1 }),
  ];
  const free = { ...ROOMY, cpuMillis: 1_000 };
  const first = (waiting: readonly Candidate[]) =>
    planPlacements(waiting, [aHost({ free })], leastLoaded).placements.map(({ jobId }) => jobId);
  assert.deepEqual(first(candidates), ["a"]);
  assert.deepEqual(first(candidates.slice(0, 3)), ["b"]);
  assert.deepEqual(first(candidates.slice(0, 2)), ["c"]);
});

test("a small job behind a large one that does not fit is placed all the same", () => {
  const large = aCandidate("large", {
    priority: 9,
    requirements: { ...NOTHING, cpuMillis: 9_000 },
  });
  const { placements, unplaceable } = planPlacements(
    [large, aCandidate("small")],
    [aHost()],
    binPack,
  );
  assert.deepEqual(
    placements.map(({ jobId }) => jobId),
    ["small"],
  );
  assert.deepEqual(
    unplaceable.map(({ jobId }) => jobId),
    ["large"],
  );
});

test("least loaded spreads, bin pack fills", () => {
  const [a, b] = ["a", "b"].map((id) => aHost({ workerId: id as WorkerId }));
  assert.ok(a && b);
  const used = { ...b, free: { ...ROOMY, cpuMillis: 2_000 } };
  const place = (scorer: typeof leastLoaded) =>
    planPlacements([aCandidate("job")], [a, used], scorer).placements[0]?.workerId;
  assert.equal(place(leastLoaded), "a");
  assert.equal(place(binPack), "b");
});

test("what lasts is named before what passes", () => {
  const full = aHost({ free: { cpuMillis: 0, memoryBytes: 0, diskBytes: 0 } });
  const requirements: Requirements = {
    cpuMillis: 1,
    memoryBytes: 1,
    diskBytes: 1,
    arch: "arm64",
    constraints: [{ label: "zone", operator: "exists", values: [] }],
  };
  assert.equal(rejection(full, requirements), "arch");
  assert.equal(rejection({ ...full, arch: "arm64" }, requirements), "constraint");
  const fitting = { ...full, arch: "arm64", labels: { zone: "a" } };
  assert.equal(rejection(fitting, requirements), "cpu");
  assert.equal(rejection(fitting, { ...requirements, cpuMillis: 0 }), "memory");
  assert.equal(rejection(fitting, { ...requirements, cpuMillis: 0, memoryBytes: 0 }), "disk");
});

test("reasons say how many workers give them, and what is lacking", () => {
  const requirements: Requirements = { ...NOTHING, cpuMillis: 5_000, arch: "x64" };
  const reasons = waitReasons(requirements, [
    aHost(),
    aHost({ arch: "arm64" }),
    aHost({ arch: "arm64" }),
  ]);
  assert.deepEqual(reasons, [
    { code: "arch", message: "2 of 3 workers are not x64", workerCount: 2 },
    { code: "cpu", message: "1 of 3 workers lack 5 free cores", workerCount: 1 },
  ]);
  assert.deepEqual(
    waitReasons(requirements, []).map(({ code }) => code),
    ["no_workers"],
  );
});

test("constraints hold as their operators say", () => {
  const labels = { os: "linux", cores: "16", empty: "", text: "abc" };
  const check = (label: string, operator: Constraint["operator"], ...values: string[]) =>
    holds({ label, operator, values }, labels);
  assert.equal(check("os", "eq", "linux"), true);
  assert.equal(check("os", "eq", "windows"), false);
  assert.equal(check("os", "ne", "windows"), true);
  assert.equal(check("os", "in", "linux", "macos"), true);
  assert.equal(check("os", "not_in", "linux", "macos"), false);
  assert.equal(check("cores", "gt", "8"), true, "numbers, not text");
  assert.equal(check("cores", "gt", "16"), false);
  assert.equal(check("cores", "lt", "16.5"), true);
  assert.equal(check("text", "gt", "1"), false);
  assert.equal(check("text", "lt", "1"), false);
  assert.equal(check("empty", "lt", "1"), false, "an empty label is no number");
  assert.equal(check("empty", "exists"), true);
});

test("a missing label fails every test but ne and not_in", () => {
  fc.assert(
    fc.property(anyConstraint(), (constraint) => {
      const expected = constraint.operator === "ne" || constraint.operator === "not_in";
      assert.equal(holds(constraint, {}), expected);
    }),
  );
});
