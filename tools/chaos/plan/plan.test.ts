import assert from "node:assert/strict";
import { test } from "node:test";
import { isMaskable } from "@hodei/domain";
import { makeControlPlan } from "./control-plan.ts";
import { BURST_JOBS } from "./job-plan.ts";
import { makeWorkerPlan } from "./worker-plan.ts";

const MINUTE_MS = 60_000;

test("a seed gives the same plan each time, and another seed another one", () => {
  for (const makePlan of [makeWorkerPlan, makeControlPlan]) {
    const plan = makePlan({ seed: 5, durationMs: MINUTE_MS });
    assert.deepEqual(makePlan({ seed: 5, durationMs: MINUTE_MS }), plan);
    assert.notDeepEqual(makePlan({ seed: 6, durationMs: MINUTE_MS }), { ...plan, seed: 6 });
  }
});

test("one target has one fault at a time, and none lasts beyond its share of the run", () => {
  for (let seed = 0; seed < 50; seed += 1) {
    const { faults } = makeWorkerPlan({ seed, durationMs: 2 * MINUTE_MS });
    for (const [index, { target, atMs, durationMs }] of faults.entries()) {
      assert.ok(durationMs <= MINUTE_MS / 2);
      const next = faults.slice(index + 1).find((later) => later.target === target);
      assert.ok(next === undefined || next.atMs > atMs + durationMs, `seed ${seed}`);
    }
  }
});

test("half a minute has a burst, and one of each kind of job", () => {
  const { jobs } = makeWorkerPlan({ seed: 1, durationMs: MINUTE_MS / 2 });
  assert.equal(jobs.filter(({ burst }) => burst === 0).length, BURST_JOBS);
  const behaviours = new Set(jobs.map(({ behaviour }) => behaviour));
  for (const name of [
    "fork-bomb",
    "memory-hog",
    "stopped-tree",
    "ignores-sigterm",
    "nohup",
  ] as const) {
    assert.ok(behaviours.has(name), name);
  }
  const contents = new Set(jobs.map(({ task }) => task.writing.content));
  for (const name of ["secrets", "blob", "binary", "empty-lines"] as const)
    assert.ok(contents.has(name), name);
});

test("keys are different, and so are secrets", () => {
  const { jobs, secrets } = makeWorkerPlan({ seed: 1, durationMs: 5 * MINUTE_MS });
  assert.equal(new Set(jobs.map(({ key }) => key)).size, jobs.length);
  assert.equal(new Set(secrets.map(({ value }) => value)).size, secrets.length);
});

test("no secret is too plain to be masked", () => {
  for (let seed = 0; seed < 1_000; seed += 1) {
    for (const { name, value } of makeControlPlan({ seed, durationMs: 1_000 }).secrets)
      assert.ok(isMaskable(Buffer.from(value)), `${name} of seed ${seed}`);
  }
});
