import assert from "node:assert/strict";
import { test } from "node:test";
import { after } from "@hodei/testkit";
import fc from "fast-check";
import type { JobId, WorkerId } from "../ids.ts";
import { rejection } from "./filters.ts";
import { aHost, aNeed, anyHosts, anyNeed, ROOMY } from "./fixtures.test.ts";
import { type Host, subtract } from "./host.ts";
import { PLACEMENT_POLICIES, type PlacementPolicy } from "./placement-policy.ts";
import { type Candidate, planPlacements } from "./plan.ts";
import { urgentSince } from "./urgency.ts";

function aCandidate(
  id: string,
  { priority = 0, dueAt = after(0), ...parts }: Partial<Candidate> & { dueAt?: Date } = {},
): Candidate {
  return {
    ...aNeed(),
    jobId: id as JobId,
    version: 1,
    priority,
    urgentSince: urgentSince(dueAt, priority),
    ...parts,
  };
}

const LEAST_LOADED = { policy: "least_loaded" } as const;

const anyCandidates = (): fc.Arbitrary<Candidate[]> =>
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
        urgentSince: urgentSince(dueAt, facts.priority),
      })),
    { maxLength: 12, selector: ({ jobId }) => jobId },
  );

for (const policy of Object.keys(PLACEMENT_POLICIES) as PlacementPolicy[]) {
  test(`no host is filled beyond what is free, and every job is placed or explained: ${policy}`, () => {
    fc.assert(
      fc.property(anyCandidates(), anyHosts(), (candidates, hosts) => {
        const before = JSON.stringify(hosts);
        const { placements, unplaceable } = planPlacements(candidates, hosts, { policy });
        assert.equal(JSON.stringify(hosts), before, "arguments stay as they were");
        const freeOf = new Map(hosts.map((host) => [host.workerId, host.free]));
        for (const { jobId, version, workerId } of placements) {
          const host = hosts.find((other) => other.workerId === workerId);
          const candidate = candidates.find((other) => other.jobId === jobId);
          assert.ok(host && candidate);
          assert.equal(version, candidate.version);
          assert.equal(rejection(host, candidate), undefined);
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

  test(`the same question has the same answer, in whatever order it is put: ${policy}`, () => {
    fc.assert(
      fc.property(anyCandidates(), anyHosts(), (candidates, hosts) => {
        const plan = planPlacements(candidates, hosts, { policy });
        assert.deepEqual(planPlacements(candidates.toReversed(), hosts, { policy }), plan);
      }),
    );
  });
}

test("when there is room for one, the most urgent gets it: priority, then age, then id", () => {
  const candidates = [
    aCandidate("d", { dueAt: after(2) }),
    aCandidate("c", { dueAt: after(1) }),
    aCandidate("b", { dueAt: after(1) }),
    aCandidate("a", { dueAt: after(9), priority: 1 }),
  ];
  const free = { ...ROOMY, cpuMillis: 1_000 };
  const first = (waiting: readonly Candidate[]) =>
    planPlacements(waiting, [aHost({ free })], LEAST_LOADED).placements.map(({ jobId }) => jobId);
  assert.deepEqual(first(candidates), ["a"]);
  assert.deepEqual(first(candidates.slice(0, 3)), ["b"]);
  assert.deepEqual(first(candidates.slice(0, 2)), ["c"]);
});

test("a small job behind a large one that does not fit is placed all the same", () => {
  const large = aCandidate("large", {
    priority: 9,
    ...aNeed({ cpuMillis: 9_000 }),
  });
  const { placements, unplaceable } = planPlacements(
    [large, aCandidate("small")],
    [aHost()],
    LEAST_LOADED,
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

test("each policy prefers what its name says", () => {
  const [empty, fullest, busiest] = ["empty", "fullest", "busiest"].map((id) =>
    aHost({ workerId: id as WorkerId }),
  );
  assert.ok(empty && fullest && busiest);
  const hosts = [
    { ...busiest, free: { ...ROOMY, cpuMillis: 3_000 }, heldCount: 9 },
    { ...fullest, free: { ...ROOMY, cpuMillis: 1_000 }, heldCount: 1 },
    empty,
  ];
  const placedOn = (policy: PlacementPolicy, on: readonly Host[]) =>
    planPlacements([aCandidate("job")], on, { policy }).placements[0]?.workerId;
  assert.equal(placedOn("least_loaded", hosts), "empty");
  assert.equal(placedOn("bin_pack", hosts), "fullest");
  assert.equal(placedOn("spread", hosts.slice(0, 2)), "fullest");
  assert.equal(placedOn("first_available", hosts), "busiest");
});

test("candidates that ask for the same fill worker after worker", () => {
  const ids = Array.from({ length: 12 }, (_, index) => `job-${10 + index}`);
  const hosts = ["a", "b"].map((id) => aHost({ workerId: id as WorkerId }));
  for (const [policy, expected] of [
    ["least_loaded", "abababab"],
    ["bin_pack", "aaaabbbb"],
    ["spread", "abababab"],
    ["first_available", "aaaabbbb"],
  ] as const) {
    const { placements, unplaceable } = planPlacements(
      ids.map((id) => aCandidate(id)),
      hosts,
      { policy },
    );
    assert.equal(placements.map(({ workerId }) => workerId).join(""), expected, policy);
    assert.equal(unplaceable.length, 4);
  }
});
