import assert from "node:assert/strict";
import { test } from "node:test";
import type { JobId } from "@hodei/domain";
import { after } from "@hodei/testkit";
import { Durations, Statistics } from "./statistics.ts";

test("durations are summarized by the bounds of their buckets", () => {
  const durations = new Durations();
  assert.deepEqual(durations.summarize(), { count: 0, p50Ms: null, p99Ms: null, maxMs: 0 });
  for (let count = 0; count < 98; count += 1) durations.add(3);
  durations.add(-4);
  durations.add(777);
  assert.deepEqual(durations.summarize(), { count: 100, p50Ms: 5, p99Ms: 5, maxMs: 777 });
  durations.add(60_000);
  durations.add(60_000);
  assert.deepEqual(durations.summarize(), { count: 102, p50Ms: 5, p99Ms: null, maxMs: 60_000 });
});

test("a job counts once, in the first turn that sees it", () => {
  const statistics = new Statistics();
  const job = (jobId: string, dueMs: number) => ({
    jobId: jobId as JobId,
    dueSince: after(dueMs),
  });
  const seen = (atMs: number, ...jobs: ReturnType<typeof job>[]) =>
    statistics.noteSeen(jobs, { turnAt: after(atMs), now: after(atMs + 2) });
  seen(5_000, job("before the first turn", 4_990));
  assert.equal(statistics.discovery.summarize().count, 0);
  // Made before the turn before began, committed after it.
  seen(5_050, job("late commit", 4_999), job("before the first turn", 4_990));
  seen(5_060, job("late commit", 4_999), job("new", 5_056), job("came back", 3_000));
  assert.deepEqual(statistics.discovery.summarize(), {
    count: 2,
    p50Ms: 10,
    p99Ms: 100,
    maxMs: 53,
  });
});
