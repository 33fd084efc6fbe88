import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { WorkerId } from "../ids.ts";
import type { PlacementPolicy } from "../job-spec.ts";
import { rejection } from "./filters.ts";
import { aCandidate, aHost, aNeed, anyHosts, anyNeed, ROOMY } from "./fixtures.test.ts";
import type { Host } from "./host.ts";
import { PLACEMENT_POLICIES, policyFor, scoreOf, scoreParts } from "./placement-policy.ts";
import { planPlacements } from "./plan.ts";
import { SCORERS, type Scorer, type ScorerName } from "./scorers.ts";
import { NO_RECORD } from "./track-record.ts";

const at = new Date(0);
const TERMS = {
  now: at,
  reserveAfterMs: null,
  explainedId: null,
  limits: null,
  fairShare: null,
  preemption: null,
};
const IDS = Array.from({ length: 9 }, (_, index) => `job-${index}`);

const placedOn = (hosts: readonly Host[], policy: PlacementPolicy, jobCount = 1): string =>
  planPlacements(
    IDS.slice(0, jobCount).map((id) => aCandidate(id)),
    hosts,
    { ...TERMS, policy },
  )
    .placements.map(({ workerId }) => workerId)
    .join("");

const scorer = (name: ScorerName): Scorer => SCORERS[name];

const named = (id: string, parts: Partial<Host> = {}) =>
  aHost({ workerId: id as WorkerId, ...parts });

test("a score is the sum of its parts, each at most its weight", () => {
  fc.assert(
    fc.property(anyHosts(), anyNeed(), (hosts, need) => {
      for (const policy of Object.keys(PLACEMENT_POLICIES) as PlacementPolicy[]) {
        for (const host of hosts) {
          if (rejection(host, need) !== undefined) continue;
          const parts = scoreParts(policy, host, need);
          const sum = parts.reduce((total, { points }) => total + points, 0);
          assert.equal(scoreOf(policy, host, need), sum);
          for (const { weight, points } of parts) assert.ok(points <= weight);
        }
      }
    }),
  );
});

test("what is known of a worker says 0 to 1, and 1 where nothing is known", () => {
  const names = ["round_robin", "success_history", "provider_health", "startup_time"] as const;
  fc.assert(
    fc.property(anyHosts(), (hosts) => {
      for (const host of hosts) {
        for (const name of names) {
          const said = scorer(name)(host, aNeed());
          assert.ok(said >= 0 && said <= 1);
        }
      }
    }),
  );
  for (const name of names) assert.equal(scorer(name)(aHost(), aNeed()), 1);
});

test("round robin gives each worker its turn, whoever had the last one begins last", () => {
  const hosts = [named("a", { turn: 3 }), named("b", { turn: 1 }), named("c", { turn: 2 })];
  assert.equal(placedOn(hosts, "round_robin", 7), "bcabcab");
  assert.equal(
    placedOn([...hosts, named("d")], "round_robin", 5),
    "dbcad",
    "one without a turn first",
  );
  const full = { ...ROOMY, cpuMillis: 0 };
  assert.equal(
    placedOn([named("a"), named("b", { free: full }), named("c")], "round_robin", 3),
    "aca",
  );
});

test("a worker at fault is passed over by the reliable policy, though it is the emptiest", () => {
  const halfFull = { ...ROOMY, cpuMillis: 2_000 };
  const faulty = named("x", { track: { ...NO_RECORD, endedCount: 8, faultCount: 8 } });
  const sound = named("s", { free: halfFull, track: { ...NO_RECORD, endedCount: 8 } });
  assert.equal(
    placedOn([faulty, sound], "least_loaded"),
    "x",
    "the trap that load alone falls into",
  );
  assert.equal(placedOn([faulty, sound], "reliable"), "s");
  const pool = named("p", { track: { ...NO_RECORD, madeCount: 9, failedCount: 9 } });
  assert.equal(placedOn([pool, sound], "reliable"), "s");
  assert.equal(
    placedOn([named("slow", { track: { ...NO_RECORD, startMs: 9_000 } }), named("n")], "reliable"),
    "n",
  );
});

test("one fault does not outweigh an empty worker", () => {
  const once = { ...NO_RECORD, endedCount: 1, faultCount: 1 };
  const almostFull = { ...ROOMY, cpuMillis: 1_000 };
  assert.equal(
    placedOn([named("once", { track: once }), named("full", { free: almostFull })], "reliable"),
    "once",
  );
});

test("pools are compared by the server's policy, workers of one pool by the pool's", () => {
  const free = (cpuMillis: number) => ({ ...ROOMY, cpuMillis });
  const [packed, other] = [{ pool: "p", poolPolicy: "bin_pack" }, { pool: "o" }] as const;
  const hosts = [
    named("e", { ...packed, free: free(4_000) }),
    named("f", { ...packed, free: free(2_000) }),
    named("o", { ...other, free: free(3_000) }),
  ];
  // As long as e is the emptiest of all, pool p is chosen, and its own policy takes f while there is room on that.
  assert.equal(placedOn(hosts, "least_loaded", 5), "ffeeo");
});

test("whose policy it is: the job's, else the pool's, else the server's", () => {
  const need = aNeed();
  const own = { ...need, placement: { ...need.placement, policy: "spread" as const } };
  const pooled = aHost({ poolPolicy: "bin_pack" });
  assert.deepEqual(policyFor(pooled, own, "reliable"), { policy: "spread", source: "job" });
  assert.deepEqual(policyFor(pooled, need, "reliable"), { policy: "bin_pack", source: "pool" });
  assert.deepEqual(policyFor(aHost(), need, "reliable"), { policy: "reliable", source: "server" });
});
