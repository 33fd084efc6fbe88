import assert from "node:assert/strict";
import { test } from "node:test";
import { after } from "@hodei/testkit";
import fc from "fast-check";
import { DEFAULT_TENANT_ID, type JobId, type TenantId, type WorkerId } from "../ids.ts";
import type { Requirements } from "../job-spec.ts";
import { LimitLedger, NO_LIMIT_USAGE } from "../limits.ts";
import { outranks, PREEMPTION_PRIORITY_MARGIN } from "../preemption.ts";
import { aCandidate, aHost, aNeed, ROOMY } from "./fixtures.test.ts";
import { add, type HeldAttempt, type Host, hasRoom, hold, subtract } from "./host.ts";
import { type Candidate, type PlanTerms, planPlacements } from "./plan.ts";
import { MAX_SEARCH_COUNT } from "./preemptions.ts";
import { MAX_VICTIM_COUNT } from "./victims.ts";

const [W1, W2] = ["worker-1", "worker-2"] as [WorkerId, WorkerId];
const HIGH = 50;

/** A preemptible attempt of priority 0 that holds one core of the first worker, but for `parts`. */
const aHeld = (
  id: string,
  { cpuMillis = 1_000, ...parts }: Partial<HeldAttempt> & { readonly cpuMillis?: number } = {},
): HeldAttempt => ({
  jobId: id as JobId,
  workerId: W1,
  tenantId: DEFAULT_TENANT_ID,
  requirements: aNeed({ cpuMillis }).requirements,
  startedAt: after(0),
  priority: 0,
  isPreemptible: true,
  isEnding: false,
  endingFor: null,
  ...parts,
});

const aPreemptor = (id: string, cpuMillis: number, parts: Partial<Candidate> = {}): Candidate =>
  aCandidate(id, { ...aNeed({ cpuMillis }), priority: HIGH, ...parts });

/** Workers of four cores, as full as `held` makes them. */
const hostsOf = (
  held: readonly HeldAttempt[],
  workers: Readonly<Record<string, Partial<Host>>> = { [W1]: {} },
): Host[] =>
  Object.entries(workers).map(([id, parts]) =>
    held
      .filter(({ workerId }) => workerId === id)
      .reduce(
        (host, { requirements }) => hold(host, requirements),
        aHost({ workerId: id as WorkerId, ...parts }),
      ),
  );

function plan(
  candidates: readonly Candidate[],
  held: readonly HeldAttempt[],
  { hosts = hostsOf(held), ...parts }: Partial<PlanTerms> & { readonly hosts?: Host[] } = {},
) {
  return planPlacements(candidates, hosts, {
    policy: "least_loaded",
    now: after(0),
    reserveAfterMs: null,
    explainedId: null,
    limits: null,
    fairShare: null,
    preemption: { held, comingHosts: [], comingWaitMs: 60_000 },
    ...parts,
  });
}

/** Who ends for whom, as `job@worker: victims`. */
const wanted = (...args: Parameters<typeof plan>): string[] =>
  plan(...args).preemptions.map(
    ({ jobId, workerId, victimIds }) => `${jobId}@${workerId}: ${victimIds.toSorted().join(" ")}`,
  );

const four = (parts: (index: number) => Partial<HeldAttempt>): HeldAttempt[] =>
  ["a", "b", "c", "d"].map((id, index) => aHeld(id, parts(index)));

test("the lowest priority ends first, then what has begun last; no more than is needed", () => {
  const byAge = four((index) => ({ startedAt: after(index) }));
  assert.deepEqual(wanted([aPreemptor("p", 1_000)], byAge), ["p@worker-1: d"]);
  assert.deepEqual(wanted([aPreemptor("p", 2_000)], byAge), ["p@worker-1: c d"]);
  const byPriority = four((index) => ({ priority: index, startedAt: after(index) }));
  assert.deepEqual(wanted([aPreemptor("p", 2_000)], byPriority), ["p@worker-1: a b"]);
  const unstarted = four((index) => ({ startedAt: index === 1 ? null : after(index) }));
  assert.deepEqual(wanted([aPreemptor("p", 1_000)], unstarted), ["p@worker-1: b"]);
});

test("of those of one priority few large ones end rather than many small ones", () => {
  const held = [
    aHeld("large", { cpuMillis: 2_000 }),
    aHeld("small-1", { startedAt: after(1) }),
    aHeld("small-2", { startedAt: after(2) }),
  ];
  assert.deepEqual(wanted([aPreemptor("p", 2_000)], held), ["p@worker-1: large"]);
  const [large, ...small] = held;
  assert.ok(large);
  const dearer = [{ ...large, priority: 1 }, ...small];
  assert.deepEqual(wanted([aPreemptor("p", 2_000)], dearer), ["p@worker-1: small-1 small-2"]);
});

test("what is free already counts, and the worker where the least is lost is chosen", () => {
  const held = [
    aHeld("a", { cpuMillis: 2_000 }),
    aHeld("b", { cpuMillis: 2_000 }),
    aHeld("c", { workerId: W2, cpuMillis: 3_000 }),
  ];
  const hosts = hostsOf(held, { [W1]: {}, [W2]: {} });
  assert.deepEqual(wanted([aPreemptor("p", 4_000)], held, { hosts }), ["p@worker-2: c"]);
  const lower = held.map((attempt) => ({ ...attempt, priority: attempt.workerId === W2 ? 5 : 0 }));
  assert.deepEqual(wanted([aPreemptor("p", 4_000)], lower, { hosts }), ["p@worker-1: a b"]);
});

test("only what allows it ends, and only for a priority that is higher by the margin", () => {
  const full = (parts: Partial<HeldAttempt>) => [aHeld("v", { cpuMillis: 4_000, ...parts })];
  const asks = (priority: number, parts: Partial<HeldAttempt> = {}) =>
    wanted([aPreemptor("p", 1_000, { priority })], full(parts)).length === 1;
  assert.ok(asks(PREEMPTION_PRIORITY_MARGIN));
  assert.ok(!asks(PREEMPTION_PRIORITY_MARGIN - 1));
  assert.ok(!asks(HIGH, { isPreemptible: false }));
  assert.ok(!asks(HIGH, { tenantId: "other" as TenantId }), "priorities of tenants do not compare");
  const old = aPreemptor("p", 1_000, { priority: 5, urgentSince: after(-86_400_000) });
  assert.deepEqual(wanted([old], full({})), [], "age does not count");
});

test("nothing ends for a job that lacks more than room", () => {
  const held = [aHeld("v", { cpuMillis: 4_000 })];
  const asks = (parts: Partial<Requirements>, host: Partial<Host> = {}, more: object = {}) => {
    const hosts = hostsOf(held, { [W1]: host });
    const job = aPreemptor("p", 1_000, aNeed({ cpuMillis: 1_000, ...parts }));
    return wanted([job], held, { hosts, ...more }).length === 1;
  };
  assert.ok(asks({}));
  assert.ok(!asks({ arch: "arm64" }));
  assert.ok(!asks({ constraints: [{ label: "zone", operator: "exists", values: [] }] }));
  assert.ok(!asks({ cpuMillis: 4_001 }));
  assert.ok(!asks({ memoryBytes: 4_001 }));
  assert.ok(!asks({}, { state: "draining" }));
  assert.ok(!asks({}, { taints: [{ key: "spot", value: "" }] }));
  const heldCounts = new Map([[DEFAULT_TENANT_ID, 1]]);
  const usage = { ...NO_LIMIT_USAGE, heldCounts };
  const limits = new LimitLedger(usage, { now: after(0), tenantJobsMax: 1 });
  assert.ok(!asks({}, {}, { limits }));
});

test("what is ending anyway makes room without more", () => {
  const held = [
    aHeld("cancelled", { cpuMillis: 2_000, isEnding: true }),
    aHeld("v", { cpuMillis: 2_000 }),
  ];
  assert.deepEqual(wanted([aPreemptor("p", 2_000)], held), []);
  assert.deepEqual(wanted([aPreemptor("p", 3_000)], held), ["p@worker-1: v"]);
});

test("a job waits for a worker that its pool may make, and no longer than it should take", () => {
  const held = [aHeld("v", { cpuMillis: 4_000 })];
  const asks = (nowMs: number, coming: Partial<Host>) =>
    wanted([aPreemptor("p", 1_000)], held, {
      now: after(nowMs),
      preemption: { held, comingHosts: [aHost(coming)], comingWaitMs: 60_000 },
    }).length === 1;
  assert.ok(!asks(59_999, {}));
  assert.ok(asks(60_000, {}));
  const tiny = { ...ROOMY, cpuMillis: 500 };
  assert.ok(asks(0, { capacity: tiny, free: tiny }), "which would be too small");
});

test("room that is being made is for its job alone, and is made once", () => {
  const p = aPreemptor("p", 3_000, { claimedWorkerId: W1 });
  const ending = aHeld("v", { cpuMillis: 3_000, isEnding: true, endingFor: p.jobId });
  const other = aHeld("w", { cpuMillis: 1_000 });
  const small = aCandidate("small", { urgentSince: after(-86_400_000) });
  const during = plan([p, small], [ending, other]);
  assert.deepEqual(during.preemptions, []);
  assert.deepEqual(during.placements, []);
  assert.deepEqual(during.unplaceable.find(({ jobId }) => jobId === p.jobId)?.madeRoom, {
    kind: "coming",
    workerId: W1,
    victimIds: ["v"],
    isAsked: true,
  });
  // The victim has ended, waits again, and is more urgent for its age.
  const victim = aCandidate("v", { ...aNeed({ cpuMillis: 3_000 }), urgentSince: after(-1e9) });
  const { placements } = plan([victim, small, p], [other]);
  assert.deepEqual(
    placements.map(({ jobId, workerId }) => [jobId, workerId]),
    [["p", W1]],
  );
});

test("a promise that cannot be kept any more is forgotten, and made anew elsewhere", () => {
  const p = aPreemptor("p", 3_000, { claimedWorkerId: W2 });
  const held = [aHeld("v", { cpuMillis: 4_000 })];
  assert.deepEqual(wanted([p], held), ["p@worker-1: v"], "its worker is gone");
  const taken = [...held, aHeld("u", { workerId: W2, cpuMillis: 4_000, isPreemptible: false })];
  const hosts = hostsOf(taken, { [W1]: {}, [W2]: {} });
  assert.deepEqual(wanted([p], taken, { hosts }), ["p@worker-1: v"], "there is no room there");
});

test("who finds room elsewhere first does not wait for what is being given up", () => {
  const p = aPreemptor("p", 3_000, { claimedWorkerId: W1 });
  const held = [aHeld("v", { cpuMillis: 4_000, isEnding: true, endingFor: p.jobId })];
  const { placements } = plan([p], held, { hosts: hostsOf(held, { [W1]: {}, [W2]: {} }) });
  assert.deepEqual(
    placements.map(({ workerId }) => workerId),
    [W2],
  );
});

test("a limit that has come up since lets others have what was promised", () => {
  const concurrency = { key: "k", limit: 1, onConflict: "queue" } as const;
  const p = aPreemptor("p", 4_000, { claimedWorkerId: W1, concurrency });
  const small = aCandidate("small");
  const holder = { tenantId: DEFAULT_TENANT_ID, key: "k", jobId: "other" as JobId };
  const usage = { ...NO_LIMIT_USAGE, holders: [holder] };
  const limits = new LimitLedger(usage, { now: after(0), tenantJobsMax: null });
  const { placements, heldBack } = plan([p, small], [], { limits });
  assert.deepEqual(
    [placements.map(({ jobId }) => jobId), heldBack.map(({ jobId }) => jobId)],
    [["small"], ["p"]],
  );
});

test("what is kept for one that has waited long is not taken by what others give up", () => {
  // Room for neither: what the victim frees goes to the urgent job, what is free stays for the large one.
  const held = [
    aHeld("v", { cpuMillis: 2_000 }),
    aHeld("w", { cpuMillis: 1_000, isPreemptible: false }),
  ];
  const large = aCandidate("large", { ...aNeed({ cpuMillis: 4_000 }), urgentSince: after(-1e10) });
  const terms = { now: after(60_000), reserveAfterMs: 30_000 };
  const urgent = (cpuMillis: number) => wanted([large, aPreemptor("p", cpuMillis)], held, terms);
  assert.deepEqual(urgent(2_000), ["p@worker-1: v"]);
  assert.deepEqual(urgent(3_000), []);
});

test("the room that was promised counts for the tenant's share in the same plan", () => {
  const other = "other" as TenantId;
  const p = aPreemptor("p", 2_000, { claimedWorkerId: W1 });
  const own = aCandidate("own", { urgentSince: after(-1_000) });
  const theirs = aCandidate("theirs", { tenantId: other });
  const free = { ...ROOMY, cpuMillis: 3_000 };
  const hosts = [aHost({ workerId: W1, free })];
  const fairShare = { weights: new Map(), held: [], ends: [] };
  const { placements } = plan([p, own, theirs], [], { hosts, fairShare });
  assert.deepEqual(
    placements.map(({ jobId }) => jobId),
    ["p", "theirs"],
  );
});

test("two that wait on one worker take turns by priority, whose room comes first", () => {
  const p = aPreemptor("p", 2_000, { claimedWorkerId: W1 });
  const q = aPreemptor("q", 2_000, { claimedWorkerId: W1, priority: 90 });
  const held = [aHeld("v", { cpuMillis: 2_000, isEnding: true, endingFor: q.jobId })];
  const { placements, preemptions, unplaceable } = plan([p, q], held);
  assert.deepEqual(
    placements.map(({ jobId }) => jobId),
    ["q"],
  );
  assert.deepEqual(
    unplaceable.map(({ jobId, madeRoom }) => [jobId, madeRoom?.workerId]),
    [["p", W1]],
  );
  assert.deepEqual(preemptions, []);
});

test("a worker that holds more than it has takes nothing, also when room is made there", () => {
  const held = [
    aHeld("v", { cpuMillis: 2_000 }),
    aHeld("w", { cpuMillis: 2_001, isPreemptible: false }),
  ];
  const idle = aCandidate("idle", aNeed({ cpuMillis: 0 }));
  const { placements, preemptions } = plan([aPreemptor("p", 1_000), idle], held);
  assert.deepEqual(
    preemptions.map(({ victimIds }) => victimIds),
    [["v"]],
  );
  assert.deepEqual(placements, []);
});

test("a job that so many would have to end for waits instead", () => {
  const capacity = { ...ROOMY, cpuMillis: 1_000_000, attemptCount: 1_000 };
  const asks = (count: number) => {
    const held = Array.from({ length: count }, (_, index) => aHeld(`held-${index}`));
    const free = { ...capacity, cpuMillis: count * 1_000 };
    const hosts = hostsOf(held, { [W1]: { capacity, free } });
    return wanted([aPreemptor("p", count * 1_000)], held, { hosts }).length === 1;
  };
  assert.ok(asks(MAX_VICTIM_COUNT));
  assert.ok(!asks(MAX_VICTIM_COUNT + 1));
});

test("a plan looks for so many jobs at most; those that ask for the same in vain count once", () => {
  const held = [aHeld("v", { cpuMillis: 4_000, isPreemptible: true, priority: 40 })];
  const blocked = Array.from({ length: 3 * MAX_SEARCH_COUNT }, (_, index) =>
    aPreemptor(`job-${100 + index}`, 4_001, { priority: 100 }),
  );
  const last = aPreemptor("last", 1_000, { priority: 50 });
  assert.deepEqual(wanted([...blocked, last], held), ["last@worker-1: v"]);
  const different = blocked.map((job, index) => ({
    ...job,
    ...aNeed({ cpuMillis: 4_001 + index }),
  }));
  assert.deepEqual(wanted([...different, last], held), []);
});

const anyHeld = (): fc.Arbitrary<HeldAttempt[]> =>
  fc.uniqueArray(
    fc
      .record({
        id: fc.nat({ max: 999 }),
        workerId: fc.constantFrom(W1, W2),
        cpuMillis: fc.integer({ min: 0, max: 2_000 }),
        priority: fc.integer({ min: -30, max: 30 }),
        startedAt: fc.option(fc.nat({ max: 9 }).map(after)),
        isPreemptible: fc.boolean(),
        tenantId: fc.constantFrom(DEFAULT_TENANT_ID, "other" as TenantId),
      })
      .map(({ id, ...parts }) => aHeld(`held-${id}`, parts)),
    { maxLength: 10, selector: ({ jobId }) => jobId },
  );

const anyPreemptors = (): fc.Arbitrary<Candidate[]> =>
  fc.uniqueArray(
    fc
      .record({
        id: fc.nat({ max: 99 }),
        cpuMillis: fc.integer({ min: 0, max: 4_000 }),
        priority: fc.integer({ min: -50, max: 50 }),
        claimedWorkerId: fc.option(fc.constantFrom(W1, W2), { freq: 2 }),
      })
      .map(({ id, cpuMillis, ...parts }) => aPreemptor(`job-${id}`, cpuMillis, parts)),
    { maxLength: 6, selector: ({ jobId }) => jobId },
  );

test("whatever is asked for, the victims may end, are needed, end for one, and make room", () => {
  fc.assert(
    fc.property(anyPreemptors(), anyHeld(), (candidates, held) => {
      const hosts = hostsOf(held, { [W1]: {}, [W2]: {} });
      const { placements, preemptions, unplaceable } = plan(candidates, held, { hosts });
      const room = new Map(hosts.map(({ workerId, free }) => [workerId, free]));
      const take = (workerId: WorkerId, requirements: Requirements) => {
        room.set(workerId, subtract(room.get(workerId) ?? ROOMY, requirements));
      };
      const find = (id: JobId) => candidates.find(({ jobId }) => jobId === id);
      for (const { jobId, workerId } of placements) {
        const job = find(jobId);
        assert.ok(job && hasRoom(room.get(workerId) ?? ROOMY, job.requirements), jobId);
        take(workerId, job.requirements);
      }
      const ended = new Set<JobId>();
      for (const { jobId, workerId, victimIds } of preemptions) {
        const job = find(jobId);
        const before = room.get(workerId);
        assert.ok(job && before && victimIds.length > 0);
        assert.ok(unplaceable.some((other) => other.jobId === jobId && !other.madeRoom?.isAsked));
        const victims = held.filter((other) => victimIds.includes(other.jobId));
        for (const victim of victims) {
          assert.ok(victim.isPreemptible && outranks(job.priority, victim.priority));
          assert.deepEqual([victim.workerId, victim.tenantId], [workerId, job.tenantId]);
          assert.ok(!ended.has(victim.jobId), "it ends for another one already");
          ended.add(victim.jobId);
        }
        const emptied = victims.reduce((free, other) => add(free, other.requirements), before);
        assert.ok(hasRoom(emptied, job.requirements));
        for (const { requirements } of victims) {
          assert.ok(!hasRoom(subtract(emptied, requirements), job.requirements), "not needed");
        }
        room.set(workerId, subtract(emptied, job.requirements));
      }
      const reversed = plan(candidates.toReversed(), held.toReversed(), { hosts });
      assert.deepEqual(
        reversed.preemptions.map(({ victimIds, ...rest }) => [rest, victimIds.toSorted()]),
        preemptions.map(({ victimIds, ...rest }) => [rest, victimIds.toSorted()]),
      );
    }),
  );
});

test("turn by turn each job gets its room, and nothing ends twice for it", () => {
  // Each turn: what was asked to end has ended, what was placed runs.
  fc.assert(
    fc.property(anyPreemptors(), anyHeld(), (candidates, initial) => {
      let held = initial;
      let waiting: readonly Candidate[] = candidates.map((job) => ({
        ...job,
        claimedWorkerId: null,
      }));
      const claimed = new Set<JobId>();
      for (let turn = 0; turn < 10; turn += 1) {
        const hosts = hostsOf(held, { [W1]: {}, [W2]: {} });
        const { placements, preemptions } = plan(waiting, held, { hosts });
        const placedIds = new Set(placements.map(({ jobId }) => jobId));
        for (const jobId of claimed) assert.ok(placedIds.has(jobId), `${jobId} had room coming`);
        claimed.clear();
        const victims = new Set(preemptions.flatMap(({ victimIds }) => victimIds));
        const started = placements.flatMap(({ jobId, workerId }) => {
          const job = waiting.find((other) => other.jobId === jobId);
          if (job === undefined) return [];
          const { requirements, priority } = job;
          return [aHeld(jobId, { workerId, requirements, priority, isPreemptible: false })];
        });
        const returned = held
          .filter(({ jobId }) => victims.has(jobId))
          .map(({ jobId, requirements, priority, tenantId }) =>
            aCandidate(jobId, { requirements, priority, tenantId, urgentSince: after(-1e9) }),
          );
        held = [...held.filter(({ jobId }) => !victims.has(jobId)), ...started];
        const claims = new Map(preemptions.map(({ jobId, workerId }) => [jobId, workerId]));
        for (const jobId of claims.keys()) claimed.add(jobId);
        waiting = [
          ...returned,
          ...waiting
            .filter(({ jobId }) => !placedIds.has(jobId))
            .map((job) => ({ ...job, claimedWorkerId: claims.get(job.jobId) ?? null })),
        ];
      }
    }),
  );
});
