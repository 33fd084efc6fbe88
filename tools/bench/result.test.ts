import assert from "node:assert/strict";
import { test } from "node:test";
import { type Target, toResult } from "./result.ts";

const figureWith = (target: Target) => ({ name: "speed", unit: "jobs/s", target });

test("a result has the medians of the rounds, their ratio, and the rounds", () => {
  const rounds = [
    { value: 10, baseline: 20 },
    { value: 30, baseline: 40 },
    { value: 20, baseline: 900 },
  ];
  const target: Target = { kind: "ratio_at_least", limit: 0.6 };
  assert.deepEqual(toResult(figureWith(target), rounds), {
    name: "speed",
    unit: "jobs/s",
    target,
    value: 20,
    baseline: 40,
    ratio: 0.5,
    met: false,
    rounds,
  });
});

test("a target is met at its limit, and missed beyond it", () => {
  const isMet = (target: Target, value: number) =>
    toResult(figureWith(target), [{ value, baseline: 100 }]).met;
  assert.equal(isMet({ kind: "ratio_at_least", limit: 0.6 }, 60), true);
  assert.equal(isMet({ kind: "ratio_at_least", limit: 0.6 }, 59), false);
  assert.equal(isMet({ kind: "value_at_least", limit: 500 }, 500), true);
  assert.equal(isMet({ kind: "value_at_least", limit: 500 }, 499), false);
  assert.equal(isMet({ kind: "ratio_at_most", limit: 1.2 }, 120), true);
  assert.equal(isMet({ kind: "ratio_at_most", limit: 1.2 }, 121), false);
  assert.equal(isMet({ kind: "value_at_most", limit: 80 }, 80), true);
  assert.equal(isMet({ kind: "value_at_most", limit: 80 }, 81), false);
  assert.equal(isMet({ kind: "added_at_most", limit: 10 }, 110), true);
  assert.equal(isMet({ kind: "added_at_most", limit: 10 }, 111), false);
});

test("where nothing bare does the same, there is no baseline and no ratio", () => {
  const rounds = [
    { value: 4, baseline: null },
    { value: 6, baseline: null },
  ];
  const result = toResult(figureWith({ kind: "value_at_most", limit: 5 }), rounds);
  assert.deepEqual(
    [result.value, result.baseline, result.ratio, result.met],
    [5, null, null, true],
  );
  const relative = figureWith({ kind: "ratio_at_most", limit: 5 });
  assert.throws(() => toResult(relative, rounds), RangeError);
});

test("nothing measured is no result", () => {
  const figure = figureWith({ kind: "value_at_least", limit: 1 });
  assert.throws(() => toResult(figure, []), RangeError);
});
