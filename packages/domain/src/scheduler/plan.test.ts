import assert from "node:assert/strict";
import { test } from "node:test";
import { after } from "@hodei/testkit";
import fc from "fast-check";
import type { JobId, TenantId, WorkerId } from "../ids.ts";
import type { PlacementPolicy, Preference } from "../job-spec.ts";
import { rejection } from "./filters.ts";
import { aCandidate, aHost, aNeed, anyCandidates, anyHosts, ROOMY } from "./fixtures.test.ts";
import { type Host, subtract } from "./host.ts";
import { PLACEMENT_POLICIES } from "./placement-policy.ts";
import { type Candidate, type PlanTerms, planPlacements } from "./plan.ts";
import { MAX_RESERVATION_COUNT } from "./promises.ts";
import { byUrgency, dueSince } from "./urgency.ts";

const termsOf = (policy: PlacementPolicy): PlanTerms => ({
  policy,
  now: after(0),
  reserveAfterMs: null,
  explainedId: null,
  limits: null,
  fairShare: null,
  preemption: null,
});
const LEAST_LOADED = termsOf("least_loaded");

for (const policy of Object.keys(PLACEMENT_POLICIES) as PlacementPolicy[]) {
  test(`no host is filled beyond what is free, and every job is placed or explained: ${policy}`, () => {
    fc.assert(
      fc.property(anyCandidates(), anyHosts(), (candidates, hosts) => {
        const before = JSON.stringify(hosts);
        const { placements, unplaceable } = planPlacements(candidates, hosts, termsOf(policy));
        assert.equal(JSON.stringify(hosts), before, "arguments stay as they were");
        const freeOf = new Map(hosts.map((host) => [host.workerId, host.free]));
        for (const { jobId, version, workerId } of placements) {
          const host = hosts.find((other) => other.workerId === workerId);
          const candidate = candidates.find((other) => other.jobId === jobId);
          assert.ok(host && candidate);
          assert.equal(version, candidate.version);
          assert.equal(rejection(host, candidate), undefined);
          const free = subtract(freeOf.get(workerId) ?? host.free, candidate.requirements);
          assert.ok(Math.min(...Object.values(free)) >= 0);
          freeOf.set(workerId, free);
        }
        const handled = [...placements, ...unplaceable].map(({ jobId }) => jobId);
        assert.deepEqual(handled.toSorted(), candidates.map(({ jobId }) => jobId).toSorted());
        for (const { jobId } of unplaceable) {
          const terms = { ...termsOf(policy), explainedId: jobId };
          const plan = planPlacements(candidates, hosts, terms);
          const { reasons = [] } = plan.unplaceable.find((other) => other.jobId === jobId) ?? {};
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
        const plan = planPlacements(candidates, hosts, termsOf(policy));
        assert.deepEqual(planPlacements(candidates.toReversed(), hosts, termsOf(policy)), plan);
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
    { ...busiest, free: { ...ROOMY, cpuMillis: 3_000, attemptCount: 1 } },
    { ...fullest, free: { ...ROOMY, cpuMillis: 1_000, attemptCount: 9 } },
    empty,
  ];
  const placedOn = (policy: PlacementPolicy, on: readonly Host[]) =>
    planPlacements([aCandidate("job")], on, termsOf(policy)).placements[0]?.workerId;
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
    ["round_robin", "abababab"],
    ["reliable", "abababab"],
  ] as const) {
    const { placements, unplaceable } = planPlacements(
      ids.map((id) => aCandidate(id)),
      hosts,
      termsOf(policy),
    );
    assert.equal(placements.map(({ workerId }) => workerId).join(""), expected, policy);
    assert.equal(unplaceable.length, 4);
  }
});

test("a job's own policy and preferences win over the server's policy", () => {
  const [near, far] = ["near", "far"].map((id) =>
    aHost({ workerId: id as WorkerId, labels: { zone: id } }),
  );
  assert.ok(near && far);
  const hosts = [near, { ...far, free: { ...ROOMY, cpuMillis: 1_000 } }];
  const placedOn = (placement: Candidate["placement"]) =>
    planPlacements([aCandidate("job", { placement })], hosts, LEAST_LOADED).placements[0]?.workerId;
  const wish = (weight: number): Preference => ({
    constraint: { label: "zone", operator: "eq", values: ["far"] },
    weight,
  });
  assert.equal(placedOn({ preferences: [], policy: null }), "near");
  assert.equal(placedOn({ preferences: [], policy: "bin_pack" }), "far");
  assert.equal(placedOn({ preferences: [wish(1)], policy: null }), "far");
  assert.equal(placedOn({ preferences: [wish(-1)], policy: "bin_pack" }), "near");
  assert.equal(placedOn({ preferences: [wish(1), wish(-3)], policy: null }), "near");
});

const RESERVING: PlanTerms = { ...LEAST_LOADED, now: after(30_000), reserveAfterMs: 30_000 };

test("a job that has waited long has a worker kept for it, and what fits beside it goes on", () => {
  const large = aCandidate("large", aNeed({ cpuMillis: 4_000, memoryBytes: 1_000 }));
  const small = (id: string) => aCandidate(id, { ...aNeed(), dueAt: after(30_000) });
  const light = aCandidate("light", {
    ...aNeed({ cpuMillis: 0, memoryBytes: 1 }),
    dueAt: after(30_000),
  });
  const hosts = [
    aHost({ workerId: "fuller" as WorkerId, free: { ...ROOMY, cpuMillis: 1_000, memoryBytes: 0 } }),
    aHost({ workerId: "freer" as WorkerId, free: { ...ROOMY, cpuMillis: 3_000 } }),
  ];
  const waiting = [large, small("a"), small("b"), light];
  const early = planPlacements(waiting, hosts, { ...RESERVING, now: after(29_999) });
  assert.deepEqual(
    early.unplaceable.map(({ jobId, keptWorkerId }) => [jobId, keptWorkerId]),
    [["large", null]],
  );
  const { placements, unplaceable } = planPlacements(waiting, hosts, {
    ...RESERVING,
    explainedId: "b" as JobId,
    limits: null,
  });
  assert.deepEqual(
    placements.map(({ jobId, workerId }) => [jobId, workerId]),
    [
      ["a", "fuller"],
      ["light", "freer"],
    ],
  );
  const [kept, behind] = unplaceable;
  assert.equal(kept?.keptWorkerId, "freer");
  assert.deepEqual(
    behind?.reasons.map(({ code }) => code),
    ["outranked", "reserved"],
  );
});

test("no worker is kept for a job that none could hold, and only so many are kept", () => {
  const hosts = Array.from({ length: 2 * MAX_RESERVATION_COUNT }, (_, index) =>
    aHost({ workerId: `worker-${index}` as WorkerId, free: { ...ROOMY, cpuMillis: 3_000 } }),
  );
  const large = (id: number, cpuMillis = 4_000) => aCandidate(`job-${id}`, aNeed({ cpuMillis }));
  const keptFor = (candidates: readonly Candidate[]) =>
    planPlacements(candidates, hosts, RESERVING).unplaceable.map(
      ({ keptWorkerId }) => keptWorkerId,
    );
  assert.deepEqual(keptFor([large(0, 4_001)]), [null]);
  const kept = keptFor(hosts.map((_, index) => large(index)));
  assert.equal(new Set(kept.filter((id) => id !== null)).size, MAX_RESERVATION_COUNT);
  assert.ok(
    kept.slice(0, MAX_RESERVATION_COUNT).every((id) => id !== null),
    "the most urgent ones",
  );
});

test("no worker is kept for a job that needs more disk than it has without its attempts", () => {
  const large = aCandidate("large", aNeed({ cpuMillis: 4_000, diskBytes: 4_001 }));
  const small = aCandidate("small", { ...aNeed(), dueAt: after(1) });
  const { placements } = planPlacements([large, small], [aHost()], RESERVING);
  assert.deepEqual(
    placements.map(({ jobId }) => jobId),
    ["small"],
  );
  const free = { ...ROOMY, cpuMillis: 3_000, diskBytes: 3_999, attemptCount: 9 };
  const { unplaceable } = planPlacements([large], [aHost({ free })], RESERVING);
  assert.equal(unplaceable[0]?.keptWorkerId, "worker-a", "what its attempt has may be free later");
});

test("jobs that no worker could ever take cost one look at each worker, however many they are", () => {
  let lookCount = 0;
  const capacity = Object.defineProperty({ ...ROOMY }, "cpuMillis", {
    get: () => {
      lookCount += 1;
      return 4_000;
    },
  });
  const hosts = ["a", "b"].map((id) => aHost({ workerId: id as WorkerId, capacity, free: ROOMY }));
  const looksFor = (jobCount: number): number => {
    lookCount = 0;
    const jobs = Array.from({ length: jobCount }, (_, index) =>
      aCandidate(`job-${index}`, aNeed({ cpuMillis: 4_001 })),
    );
    planPlacements(jobs, hosts, RESERVING);
    return lookCount;
  };
  assert.equal(looksFor(100), looksFor(1));
});

test("what a more urgent job gets, or is kept for it, does not depend on less urgent ones", () => {
  fc.assert(
    fc.property(anyCandidates(), anyHosts(), fc.nat({ max: 12 }), (candidates, hosts, count) => {
      const ordered = candidates.toSorted(byUrgency);
      const urgent = ordered.slice(0, count);
      const ids = new Set(urgent.map(({ jobId }) => jobId));
      const all = planPlacements(candidates, hosts, RESERVING);
      const alone = planPlacements(urgent, hosts, RESERVING);
      const ofUrgent = <Item extends { jobId: JobId }>(items: readonly Item[]) =>
        items.filter(({ jobId }) => ids.has(jobId));
      assert.deepEqual(ofUrgent(all.placements), alone.placements);
      assert.deepEqual(ofUrgent(all.unplaceable), alone.unplaceable);
    }),
  );
});

test("a large job starts in time although small ones keep coming", () => {
  // One worker of four cores. Every second two small jobs of two seconds each arrive: they alone would fill it for ever.
  const large = aCandidate("large", { ...aNeed({ cpuMillis: 4_000 }), dueAt: after(0) });
  const startedAtMs = (reserveAfterMs: number | null): number | undefined => {
    let waiting: Candidate[] = [large];
    let running: { readonly endsAtMs: number; readonly cpuMillis: number }[] = [
      { endsAtMs: 1_500, cpuMillis: 1_000 },
    ];
    for (let nowMs = 0; nowMs < 120_000; nowMs += 500) {
      running = running.filter(({ endsAtMs }) => endsAtMs > nowMs);
      if (nowMs % 1_000 === 0) {
        waiting.push(
          ...["a", "b"].map((name) => aCandidate(`${name}-${nowMs}`, { dueAt: after(nowMs) })),
        );
      }
      const used = running.reduce((sum, { cpuMillis }) => sum + cpuMillis, 0);
      const host = aHost({ free: { ...ROOMY, cpuMillis: 4_000 - used } });
      const terms = { ...LEAST_LOADED, now: after(nowMs), reserveAfterMs };
      const { placements } = planPlacements(waiting, [host], terms);
      for (const { jobId } of placements) {
        const placed = waiting.find((candidate) => candidate.jobId === jobId);
        if (placed === large) return nowMs - (dueSince(large).getTime() - after(0).getTime());
        running.push({ endsAtMs: nowMs + 2_000, cpuMillis: placed?.requirements.cpuMillis ?? 0 });
      }
      const ids = new Set(placements.map(({ jobId }) => jobId));
      waiting = waiting.filter(({ jobId }) => !ids.has(jobId));
    }
    return undefined;
  };
  assert.equal(startedAtMs(null), undefined, "without a worker kept for it, it starves");
  // Kept from 30 s on; the last of the small jobs ends within 2 s.
  const started = startedAtMs(30_000) ?? Number.POSITIVE_INFINITY;
  assert.ok(started >= 30_000 && started <= 32_000, `${started} ms`);
});

for (const tenantCount of [1, 500]) {
  test(`the time of a plan grows with its jobs, not faster: ${tenantCount} tenants`, () => {
    const hosts = Array.from({ length: 200 }, (_, index) =>
      aHost({ workerId: `worker-${index}` as WorkerId }),
    );
    const terms = { ...LEAST_LOADED, fairShare: { weights: new Map(), held: [], ends: [] } };
    const jobs = (count: number) =>
      Array.from({ length: count }, (_, index) =>
        // Every eighth asks for something of its own.
        aCandidate(`job-${index}`, {
          ...aNeed({ memoryBytes: index % 8 === 0 ? index % 4_000 : 0 }),
          tenantId: `tenant-${index % tenantCount}` as TenantId,
        }),
      );
    const fastestMs = (count: number) => {
      const candidates = jobs(count);
      const times = Array.from({ length: 5 }, () => {
        const startedAt = performance.now();
        planPlacements(candidates, hosts, terms);
        return performance.now() - startedAt;
      });
      return Math.min(...times);
    };
    fastestMs(1_000);
    const ratio = fastestMs(8_000) / fastestMs(1_000);
    // 8 for linear growth, 64 for quadratic; the rest is for a busy machine.
    assert.ok(ratio < 32, `8 times the jobs took ${ratio.toFixed(1)} times as long`);
  });
}
