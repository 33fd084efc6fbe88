import assert from "node:assert/strict";
import { test } from "node:test";
import { batchDueAtMs } from "./log-batcher.ts";

const limits = { segmentCount: 100, sizeBytes: 65_536, intervalMs: 250 };
const NOW = Number.NEGATIVE_INFINITY;

test("nothing unsent is never due", () => {
  const log = { unsentBytes: 0, unsentSegments: 0 };
  assert.equal(
    batchDueAtMs(log, limits, { lastSentAtMs: 0, isEnded: true }),
    Number.POSITIVE_INFINITY,
  );
});

test("the first bytes after a pause are due at once, the next ones an interval later", () => {
  const log = { unsentBytes: 1, unsentSegments: 1 };
  assert.equal(batchDueAtMs(log, limits, { lastSentAtMs: NOW, isEnded: false }), NOW);
  assert.equal(batchDueAtMs(log, limits, { lastSentAtMs: 1_000, isEnded: false }), 1_250);
});

test("a full batch does not wait, nor does the last one", () => {
  const state = { lastSentAtMs: 1_000, isEnded: false };
  assert.equal(batchDueAtMs({ unsentBytes: 65_536, unsentSegments: 1 }, limits, state), NOW);
  assert.equal(batchDueAtMs({ unsentBytes: 100, unsentSegments: 100 }, limits, state), NOW);
  assert.equal(batchDueAtMs({ unsentBytes: 65_535, unsentSegments: 99 }, limits, state), 1_250);
  const ended = { lastSentAtMs: 1_000, isEnded: true };
  assert.equal(batchDueAtMs({ unsentBytes: 1, unsentSegments: 1 }, limits, ended), NOW);
});
