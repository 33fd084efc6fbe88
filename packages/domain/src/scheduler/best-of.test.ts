import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BestOf } from "./best-of.ts";

const anyScore = () =>
  fc.oneof(fc.constant(Number.NEGATIVE_INFINITY), fc.integer({ min: -3, max: 3 }));

/** The plain way: the first of the largest. */
function bestIndex(scores: readonly number[]): number {
  const best = Math.max(...scores);
  return best === Number.NEGATIVE_INFINITY ? -1 : scores.indexOf(best);
}

test("the first of the largest scores is found, whatever changes", () => {
  const anyChanges = fc.array(fc.tuple(fc.nat({ max: 19 }), anyScore()), { maxLength: 40 });
  fc.assert(
    fc.property(fc.array(anyScore(), { maxLength: 20 }), anyChanges, (initial, changes) => {
      const scores = [...initial];
      const best = new BestOf(scores.length, (index) => scores[index] ?? 0);
      assert.equal(best.index, bestIndex(scores));
      for (const [index, score] of changes) {
        if (index >= scores.length) continue;
        scores[index] = score;
        best.set(index, score);
        assert.equal(best.index, bestIndex(scores));
      }
    }),
  );
});
