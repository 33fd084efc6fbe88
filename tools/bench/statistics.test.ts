import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { median, percentile } from "./statistics.ts";

test("a percentile is the smallest value that reaches its share", () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  assert.equal(percentile(hundred, 0.5), 50);
  assert.equal(percentile(hundred, 0.99), 99);
  assert.equal(percentile(hundred, 1), 100);
  assert.equal(percentile([7], 0.01), 7);
});

test("the median lies in the middle", () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([10, 2, 4, 1]), 3);
});

test("of nothing there is neither", () => {
  assert.throws(() => percentile([], 0.5), RangeError);
  assert.throws(() => median([]), RangeError);
});

test("at least its share of the values does not exceed a percentile, and fewer do not reach it", () => {
  const values = fc.array(fc.integer(), { minLength: 1 });
  const share = fc.integer({ min: 1, max: 100 }).map((percent) => percent / 100);
  fc.assert(
    fc.property(values, share, (all, part) => {
      const value = percentile(all, part);
      assert.ok(all.filter((other) => other <= value).length >= part * all.length);
      assert.ok(all.filter((other) => other < value).length < part * all.length);
    }),
  );
});
