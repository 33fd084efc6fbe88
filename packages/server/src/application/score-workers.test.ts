import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Host,
  type JobId,
  NO_RECORD,
  type PlacementPolicy,
  planPlacements,
  type WorkerId,
} from "@hodei/domain";
import { aJobSpec, someWorkerFacts } from "@hodei/testkit";
import fc from "fast-check";
import { ALICE } from "./fixtures.test.ts";
import { scoresOn } from "./score-workers.ts";

const { arch, capacity } = someWorkerFacts();
const POLICIES = ["least_loaded", "bin_pack", "spread", "round_robin", "reliable"] as const;

const anyPolicy = () => fc.constantFrom<PlacementPolicy>(...POLICIES);

const anyHosts = () =>
  fc
    .tuple(
      fc.dictionary(fc.constantFrom("a", "b"), anyPolicy()),
      fc.array(
        fc.record({
          pool: fc.constantFrom("a", "b", "c"),
          turn: fc.nat({ max: 9 }),
          freeShare: fc.constantFrom(0, 0.5, 0.75, 1),
        }),
        { maxLength: 6 },
      ),
    )
    .map(([policies, parts]) =>
      parts.map(
        ({ pool, turn, freeShare }, index): Host => ({
          workerId: `worker-${index}` as WorkerId,
          state: "ready",
          tenantId: null,
          pool,
          poolPolicy: policies[pool] ?? null,
          arch,
          labels: {},
          taints: [],
          gpuModel: "",
          capacity,
          free: { ...capacity, cpuMillis: capacity.cpuMillis * freeShare },
          turn,
          track: NO_RECORD,
          before: null,
        }),
      ),
    );

test("the first of the score table is the worker that the scheduler takes", () => {
  fc.assert(
    fc.property(anyHosts(), anyPolicy(), fc.option(anyPolicy()), (hosts, server, own) => {
      const { requirements } = aJobSpec();
      const placement = { preferences: [], policy: own };
      const need = { tenantId: ALICE.tenantId, requirements, placement };
      const scores = scoresOn(hosts, need, server);
      const now = new Date(0);
      const job = {
        jobId: "job" as JobId,
        version: 1,
        priority: 0,
        urgentSince: now,
        claimedWorkerId: null,
      };
      const { placements } = planPlacements(
        [{ ...need, ...job, concurrency: null, rateLimit: null }],
        hosts,
        {
          policy: server,
          now,
          reserveAfterMs: null,
          explainedId: null,
          limits: null,
          fairShare: null,
          preemption: null,
        },
      );
      assert.equal(scores[0]?.workerId, placements[0]?.workerId);
    }),
  );
});
