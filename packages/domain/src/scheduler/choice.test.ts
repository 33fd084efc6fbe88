import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { PlacementPolicy } from "../job-spec.ts";
import { Choice, findOwnPools } from "./choice.ts";

type Scores = Readonly<Record<"spread" | "bin_pack", number>>;

const anyScores = (): fc.Arbitrary<Scores> =>
  fc.record({ spread: fc.nat({ max: 3 }), bin_pack: fc.nat({ max: 3 }) });

/** First index of the highest score; -1 of none. */
function firstBest(indices: readonly number[], scoreAt: (index: number) => number): number {
  const best = Math.max(...indices.map(scoreAt));
  return indices.find((index) => scoreAt(index) === best) ?? -1;
}

test("the choice after any changes is what looking at every host would find", () => {
  const anyCluster = fc.array(
    fc.record({ pool: fc.constantFrom("with", "without"), scores: anyScores() }),
    { minLength: 1, maxLength: 9 },
  );
  const anyChanges = fc.array(fc.record({ at: fc.nat(), scores: anyScores() }), { maxLength: 20 });
  fc.assert(
    fc.property(anyCluster, anyChanges, (cluster, changes) => {
      const scores = cluster.map((host) => host.scores);
      const hosts = cluster.map(({ pool }) => ({
        pool,
        poolPolicy: pool === "with" ? ("bin_pack" as const) : null,
      }));
      const scoreAt = (index: number, policy: PlacementPolicy) =>
        scores[index]?.[policy === "bin_pack" ? "bin_pack" : "spread"] ?? Number.NaN;
      const pools = findOwnPools(hosts);
      const choice = new Choice(hosts.length, { policy: "spread", pools, scoreAt });
      for (const { at, scores: changed } of [undefined, ...changes].map(
        (change) => change ?? NONE,
      )) {
        const all = [...hosts.keys()];
        if (changed !== undefined) {
          scores[at % hosts.length] = changed;
          choice.update(at % hosts.length);
        }
        const best = firstBest(all, (index) => scoreAt(index, "spread"));
        const own = all.filter((index) => hosts[index]?.pool === "with");
        const expected = own.includes(best)
          ? firstBest(own, (index) => scoreAt(index, "bin_pack"))
          : best;
        assert.equal(choice.index, expected);
      }
    }),
  );
});

const NONE = { at: 0, scores: undefined };
