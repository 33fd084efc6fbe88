import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { planFaults } from "./faults.ts";
import { RandomStream } from "./random.ts";
import { renderViolations } from "./report.ts";
import { runSimulation } from "./run-simulation.ts";

const SEED_COUNT = 20;

suite("the promises hold under faults", () => {
  for (let seed = 1; seed <= SEED_COUNT; seed += 1) {
    test(`seed ${seed}`, async () => {
      const result = await runSimulation({ seed });
      assert.ok(result.ok, renderViolations(seed, result));
      assert.ok(result.stats.jobs > 0);
    });
  }
});

test("the same seed gives the same trace, whatever ran before", async () => {
  const first = await runSimulation({ seed: 7 });
  const other = await runSimulation({ seed: 8 });
  const again = await runSimulation({ seed: 7 });
  assert.equal(again.trace.digest(), first.trace.digest());
  assert.notEqual(other.trace.digest(), first.trace.digest());
  assert.ok(first.trace.entries.length > 100);
});

test("leaders that follow each other at once store nothing that two of them decided", async () => {
  for (let seed = 1; seed <= 10; seed += 1) {
    const random = new RandomStream(`handovers/${seed}`);
    const result = await runSimulation({
      seed,
      adjust: (scenario) => {
        const plan = {
          kinds: ["leader_change", "machine_death"],
          count: 300,
          untilMs: scenario.activeMs,
        } as const;
        return { ...scenario, replicaCount: 3, faults: planFaults(random, plan) };
      },
    });
    assert.ok(result.ok, renderViolations(seed, result));
  }
});

test("a calm system runs every job once and loses no worker", async () => {
  const { ok, trace, stats } = await runSimulation({
    seed: 3,
    adjust: (scenario) => ({
      ...scenario,
      faults: [],
      requests: scenario.requests.map((request) => ({ ...request, cancelAfterMs: null })),
    }),
  });
  assert.ok(ok);
  assert.equal(stats.faults, 0);
  assert.deepEqual(
    trace.entries.filter(({ text }) => text.startsWith("worker.lost")),
    [],
  );
});
