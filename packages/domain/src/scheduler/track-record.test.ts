import assert from "node:assert/strict";
import { test } from "node:test";
import { after, aWorker } from "@hodei/testkit";
import { fadedShare, tallyMade } from "./track-record.ts";

const HALF_MS = 600_000;

test("what is counted fades to half in ten minutes, and never grows when a clock is set back", () => {
  assert.equal(fadedShare(0), 1);
  assert.equal(fadedShare(HALF_MS), 0.5);
  assert.equal(fadedShare(-5), 1);
});

test("a worker of a pool failed if it never came up, is lost, or went without being asked to", () => {
  const up = { connectedAt: after(0) };
  const gone = { state: "terminated", terminatedAt: after(0) } as const;
  const tally = (...parts: readonly Parameters<typeof aWorker>[0][]) =>
    tallyMade(
      parts.map((part) => aWorker(part)),
      after(0),
    );
  assert.deepEqual(tally({ connectedAt: null }), { madeCount: 0, failedCount: 0 }, "booting");
  assert.deepEqual(tally(up), { madeCount: 1, failedCount: 0 });
  assert.deepEqual(tally({ ...gone, connectedAt: null }), { madeCount: 1, failedCount: 1 });
  assert.deepEqual(tally({ ...up, state: "lost" }), { madeCount: 1, failedCount: 1 });
  assert.deepEqual(tally({ ...up, ...gone }), { madeCount: 1, failedCount: 1 });
  const left = { ...up, ...gone, drainRequestedAt: after(0) };
  assert.deepEqual(tally(left, up), { madeCount: 2, failedCount: 0 });
  const [long] = [aWorker({ ...gone, connectedAt: null })];
  assert.deepEqual(tallyMade([long], after(HALF_MS)), { madeCount: 0.5, failedCount: 0.5 });
});
