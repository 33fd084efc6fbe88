import assert from "node:assert/strict";
import { test } from "node:test";
import { after } from "@hodei/testkit";
import fc from "fast-check";
import type { JobId, TenantId, WorkerId } from "../ids.ts";
import { FAIR_AGING_MS, type TenantEnd } from "./fair-order.ts";
import { aCandidate, aHost, aNeed, anyCandidates, anyHosts, ROOMY } from "./fixtures.test.ts";
import type { HeldShare, Host } from "./host.ts";
import { hasRoom, subtract } from "./host.ts";
import { type Candidate, type PlanTerms, planPlacements } from "./plan.ts";
import { byUrgency } from "./urgency.ts";

const HOUR_MS = 3_600_000;
const [A, B, C] = ["a", "b", "c"] as [TenantId, TenantId, TenantId];

const termsOf = (parts: {
  readonly weights?: Readonly<Record<string, number>>;
  readonly held?: readonly HeldShare[];
  readonly ends?: readonly TenantEnd[];
  readonly nowMs?: number;
  readonly explainedId?: string;
}): PlanTerms => ({
  policy: "least_loaded",
  now: after(parts.nowMs ?? 0),
  reserveAfterMs: null,
  explainedId: (parts.explainedId ?? null) as JobId | null,
  limits: null,
  fairShare: {
    weights: new Map(Object.entries(parts.weights ?? {}) as [TenantId, number][]),
    held: parts.held ?? [],
    ends: parts.ends ?? [],
  },
  preemption: null,
});

/** A host for so many jobs of one core. */
const hostOf = (count: number, parts: Partial<Host> = {}): Host => {
  const capacity = { ...ROOMY, cpuMillis: count * 1_000, attemptCount: 1_000_000 };
  return aHost({ capacity, free: capacity, ...parts });
};

/** `count` jobs of one core each, the first the most urgent. */
const jobsOf = (tenantId: TenantId, count: number, dueAtMs = 0): Candidate[] =>
  Array.from({ length: count }, (_, index) =>
    aCandidate(`${tenantId}-${1_000 + index}`, { tenantId, dueAt: after(dueAtMs + index) }),
  );

const holds = (tenantId: TenantId, cpuMillis: number, startedAtMs = 0): HeldShare => ({
  tenantId,
  workerId: "worker-a" as WorkerId,
  requirements: aNeed({ cpuMillis }).requirements,
  startedAt: after(startedAtMs),
});

/** How many jobs of each tenant were placed. */
function countsOf(plan: ReturnType<typeof planPlacements>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { jobId } of plan.placements) {
    const tenant = jobId.split("-")[0] ?? "";
    counts[tenant] = (counts[tenant] ?? 0) + 1;
  }
  return counts;
}

test("tenants that want all get shares by their weights, within one job", () => {
  const anyWeight = fc.integer({ min: 1, max: 1_000 }).map((n) => n / 100);
  fc.assert(
    fc.property(
      fc.array(anyWeight, { minLength: 2, maxLength: 5 }),
      fc.integer({ min: 1, max: 60 }),
      fc.array(fc.nat({ max: 5 * HOUR_MS }), { minLength: 5, maxLength: 5 }),
      (weights, roomCount, dueAtMs) => {
        const names = ["a", "b", "c", "d", "e"].slice(0, weights.length) as TenantId[];
        const waiting = names.flatMap((name, index) => jobsOf(name, roomCount, dueAtMs[index]));
        const byName = Object.fromEntries(names.map((name, index) => [name, weights[index] ?? 1]));
        const terms = termsOf({ weights: byName, nowMs: 6 * HOUR_MS });
        const counts = countsOf(planPlacements(waiting, [hostOf(roomCount)], terms));
        assert.equal(
          Object.values(counts).reduce((sum, count) => sum + count, 0),
          roomCount,
          "nothing stays idle",
        );
        for (const one of names) {
          for (const other of names) {
            // Without its last job, nobody has more for its weight than any other.
            const before = ((counts[one] ?? 0) - 1) / (byName[one] ?? 1);
            const others = (counts[other] ?? 0) / (byName[other] ?? 1);
            assert.ok(before <= others + 1e-9, JSON.stringify({ counts, byName }));
          }
        }
      },
    ),
  );
});

test("shares come to the weights turn by turn, whoever had all before", () => {
  // Twelve places. Every job runs for an hour; those of the first tenant began one after the other.
  let held = Array.from({ length: 12 }, (_, index) => holds(A, 1_000, index * 300_000));
  let [ofA, ofB] = [jobsOf(A, 200), jobsOf(B, 200, HOUR_MS)];
  for (let nowMs = HOUR_MS; nowMs < 4 * HOUR_MS; nowMs += 300_000) {
    held = held.filter(({ startedAt }) => (startedAt ?? after(0)) > after(nowMs - HOUR_MS));
    const free = { ...ROOMY, cpuMillis: 12_000 - held.length * 1_000, attemptCount: 1_000 };
    const terms = termsOf({ weights: { a: 2, b: 1 }, held, nowMs });
    const { placements } = planPlacements([...ofA, ...ofB], [hostOf(12, { free })], terms);
    const ids = new Set(placements.map(({ jobId }) => jobId));
    held.push(
      ...[...ofA, ...ofB]
        .filter(({ jobId }) => ids.has(jobId))
        .map(({ tenantId }) => holds(tenantId, 1_000, nowMs)),
    );
    [ofA, ofB] = [ofA, ofB].map((jobs) => jobs.filter(({ jobId }) => !ids.has(jobId))) as [
      Candidate[],
      Candidate[],
    ];
    assert.equal(held.length, 12, "nothing stays idle");
    const count = held.filter(({ tenantId }) => tenantId === A).length;
    if (nowMs >= 2 * HOUR_MS) assert.ok(count >= 7 && count <= 9, `${count} of 12 at ${nowMs}`);
  }
});

test("the share that counts is the dominant one", () => {
  // The example of the paper: 9 cores and 18 GB; jobs of (1, 4) and of (3, 1). Three of the first, two of the second.
  const capacity = { ...ROOMY, cpuMillis: 9_000, memoryBytes: 18_000, attemptCount: 1_000 };
  const jobs = (tenantId: TenantId, cpuMillis: number, memoryBytes: number) =>
    jobsOf(tenantId, 9).map((job) => ({
      ...job,
      requirements: { ...job.requirements, cpuMillis, memoryBytes },
    }));
  const waiting = [...jobs(A, 1_000, 4_000), ...jobs(B, 3_000, 1_000)];
  const plan = planPlacements(waiting, [aHost({ capacity, free: capacity })], termsOf({}));
  assert.deepEqual(countsOf(plan), { a: 3, b: 2 });
});

test("jobs that ask for nothing but a place share the places", () => {
  const capacity = { ...ROOMY, attemptCount: 6 };
  const waiting = [A, B, C].flatMap((tenantId, index) =>
    jobsOf(tenantId, 9, index).map((job) => ({
      ...job,
      requirements: { ...job.requirements, cpuMillis: 0 },
    })),
  );
  const plan = planPlacements(waiting, [aHost({ capacity, free: capacity })], termsOf({}));
  assert.deepEqual(countsOf(plan), { a: 2, b: 2, c: 2 });
});

test("what a tenant holds of machines that are its own counts for nothing", () => {
  const own = hostOf(50, {
    workerId: "own" as WorkerId,
    tenantId: A,
    free: { ...ROOMY, cpuMillis: 0 },
  });
  const held = [{ ...holds(A, 50_000), workerId: own.workerId }];
  const waiting = [...jobsOf(A, 9), ...jobsOf(B, 9)];
  const plan = planPlacements(waiting, [own, hostOf(6)], termsOf({ held }));
  assert.deepEqual(countsOf(plan), { a: 3, b: 3 });
});

test("an only tenant gets everything, in the order of urgency", () => {
  fc.assert(
    fc.property(anyCandidates(), anyHosts(), fc.nat({ max: 8_000 }), (some, hosts, cpuMillis) => {
      const candidates = some.map((candidate) => ({ ...candidate, tenantId: A }));
      const terms = termsOf({ held: [holds(A, cpuMillis), holds(B, 1)], weights: { a: 0.1 } });
      assert.deepEqual(
        planPlacements(candidates, hosts, terms),
        planPlacements(candidates, hosts, { ...terms, fairShare: null }),
      );
    }),
  );
});

const anyHeld = (): fc.Arbitrary<HeldShare[]> =>
  fc.array(
    fc.record({
      tenantId: fc.constantFrom("default" as TenantId, "other" as TenantId),
      workerId: fc.nat({ max: 99 }).map((n) => `worker-${n}` as WorkerId),
      requirements: fc.nat({ max: 4_000 }).map((cpuMillis) => aNeed({ cpuMillis }).requirements),
      startedAt: fc.option(fc.nat({ max: 9 }).map(after)),
    }),
    { maxLength: 6 },
  );

test("no room is left that a waiting job could use, and within a tenant urgency decides", () => {
  fc.assert(
    fc.property(anyCandidates(), anyHosts(), anyHeld(), (candidates, hosts, held) => {
      const terms = termsOf({ held, weights: { other: 3 } });
      const { placements, unplaceable } = planPlacements(candidates, hosts, terms);
      const byId = new Map(candidates.map((candidate) => [candidate.jobId, candidate]));
      const free = new Map(hosts.map((host) => [host.workerId, host]));
      for (const { jobId, workerId } of placements) {
        const [host, placed] = [free.get(workerId), byId.get(jobId)];
        assert.ok(host && placed);
        free.set(workerId, { ...host, free: subtract(host.free, placed.requirements) });
      }
      for (const { jobId } of unplaceable) {
        const candidate = byId.get(jobId);
        assert.ok(candidate);
        const alone = planPlacements([candidate], [...free.values()], terms);
        assert.deepEqual(alone.placements, [], "it would have fitted");
      }
      for (const { jobId } of unplaceable) {
        const candidate = byId.get(jobId);
        const later = placements
          .flatMap((placement) => byId.get(placement.jobId) ?? [])
          .filter(
            (other) => other.tenantId === candidate?.tenantId && byUrgency(other, candidate) > 0,
          );
        // What asks for no more than the one before it, of the same kind, does not pass it.
        for (const other of later) {
          const isSmaller =
            hasRoom(
              { ...other.requirements, attemptCount: 1 },
              candidate?.requirements ?? other.requirements,
            ) && JSON.stringify(kindOf(other)) === JSON.stringify(candidate && kindOf(candidate));
          assert.ok(!isSmaller, `${other.jobId} went before ${jobId}`);
        }
      }
    }),
  );
});

const kindOf = ({ tenantId, placement, requirements }: Candidate) => {
  const { arch, constraints, tolerations, gpuModel } = requirements;
  return { tenantId, placement, arch, constraints, tolerations, gpuModel };
};

test("the same question has the same answer, in whatever order it is put", () => {
  fc.assert(
    fc.property(anyCandidates(), anyHosts(), anyHeld(), (candidates, hosts, held) => {
      const weights = { other: 0.7 };
      const plan = planPlacements(candidates, hosts, termsOf({ held, weights }));
      const turned = termsOf({ held: held.toReversed(), weights });
      assert.deepEqual(planPlacements(candidates.toReversed(), hosts, turned), plan);
    }),
  );
});

test("a job does not wait for ever, however many new tenants come that hold nothing", () => {
  // Four places; every hour one gets free, and a job of a new tenant comes for it.
  const startedAfterMs = (heldCount: number, weight: number): number => {
    const held = Array.from({ length: heldCount }, () => holds(A, 1_000));
    const free = { ...ROOMY, cpuMillis: 1_000, attemptCount: 1_000 };
    const job = aCandidate("a-1", { tenantId: A, dueAt: after(HOUR_MS) });
    for (let nowMs = HOUR_MS; nowMs < 60 * FAIR_AGING_MS; nowMs += HOUR_MS) {
      const tenantId = `new-${nowMs}` as TenantId;
      const rival = aCandidate(`rival-${nowMs}`, { tenantId, dueAt: after(nowMs), priority: 100 });
      const terms = termsOf({ held, weights: { a: weight }, nowMs });
      const [placed] = planPlacements([job, rival], [hostOf(4, { free })], terms).placements;
      if (placed?.jobId === job.jobId) return nowMs - HOUR_MS;
    }
    return Number.POSITIVE_INFINITY;
  };
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 3 }),
      fc.constantFrom(1, 0.5, 0.1),
      (heldCount, weight) => {
        const bound = ((heldCount / 4) * FAIR_AGING_MS) / weight;
        const waitedMs = startedAfterMs(heldCount, weight);
        assert.ok(
          waitedMs <= bound + HOUR_MS,
          `${waitedMs / HOUR_MS} h, bound ${bound / HOUR_MS} h`,
        );
        // Until then those that hold nothing go first.
        assert.ok(waitedMs >= bound, `${waitedMs / HOUR_MS} h`);
      },
    ),
  );
});

test("where one job at a time takes everything, tenants take turns, however long their jobs take", () => {
  let waiting = [...jobsOf(A, 50), ...jobsOf(B, 2, HOUR_MS), ...jobsOf(C, 2, HOUR_MS + 1)];
  const ends: TenantEnd[] = [];
  for (let nowMs = 2 * HOUR_MS; ends.length < 8; ) {
    const [placed] = planPlacements(waiting, [hostOf(1)], termsOf({ ends, nowMs })).placements;
    const job = waiting.find(({ jobId }) => jobId === placed?.jobId);
    assert.ok(job);
    nowMs += job.tenantId === A ? 5 * HOUR_MS : 1_000;
    ends.push({ tenantId: job.tenantId, at: after(nowMs) });
    waiting = waiting.filter((other) => other !== job);
  }
  assert.equal(ends.map(({ tenantId }) => tenantId).join(""), "abcabcaa");
});

test("a tenant that is given jobs all the time does not gain by having jobs that have waited long", () => {
  const held = [holds(A, 2_000, 10 * HOUR_MS), holds(B, 1_000, 10 * HOUR_MS)];
  const waiting = [...jobsOf(A, 9), ...jobsOf(B, 9, 10 * HOUR_MS)];
  const free = { ...ROOMY, cpuMillis: 1_000 };
  const terms = termsOf({ held, nowMs: 10 * HOUR_MS });
  assert.deepEqual(countsOf(planPlacements(waiting, [hostOf(4, { free })], terms)), { b: 1 });
});

test("a job whose tenant has more than others says so, and one that only waits for room does not", () => {
  const held = [holds(A, 2_100), holds(B, 1_000)];
  const ofA = jobsOf(A, 2, 5);
  const reasonsOf = (explainedId: string, cpuMillis: number, ofB: readonly Candidate[]) => {
    const free = { ...ROOMY, cpuMillis };
    const terms = termsOf({ held, weights: { a: 1.5 }, nowMs: 10, explainedId });
    const plan = planPlacements([...ofA, ...ofB], [hostOf(5, { free })], terms);
    return plan.unplaceable
      .find(({ jobId }) => jobId === explainedId)
      ?.reasons.map(({ code, message }) => [code, message]);
  };
  const unfair =
    "tenant at 0.42 of all cores with weight 1.5, and tenants with less for their weight go first";
  const outranked = ["outranked", "1 of 1 workers have room, which jobs before it take"];
  const full = ["cpu", "1 of 1 workers have fewer than 1 core free"];
  const lessUrgent = jobsOf(B, 2, 8);
  assert.deepEqual(reasonsOf("a-1000", 1_000, lessUrgent), [["fair_share", unfair], outranked]);
  assert.deepEqual(reasonsOf("a-1000", 0, lessUrgent), [["fair_share", unfair], full]);
  assert.deepEqual(reasonsOf("b-1000", 0, lessUrgent), [full]);
  const moreUrgent = jobsOf(B, 2, 0);
  assert.deepEqual(reasonsOf("a-1000", 1_000, moreUrgent), [outranked], "it goes first anyway");
});
