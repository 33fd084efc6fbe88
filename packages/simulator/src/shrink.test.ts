import assert from "node:assert/strict";
import { test } from "node:test";
import { MUTANTS } from "./mutants/hunt-mutants.ts";
import type { Scenario } from "./scenario.ts";
import { shrink } from "./shrink.ts";

test("of a scenario that breaks a promise only what is needed for it is left", async () => {
  // It loses every fifth change or so, whatever else happens: a few requests are enough, and no fault.
  const mutant = MUTANTS.find(({ name }) => name === "stores a change without its events");
  assert.ok(mutant);
  const adjust = (scenario: Scenario): Scenario => ({
    ...scenario,
    requests: scenario.requests.slice(0, 6),
  });
  const shrunk = await shrink({ seed: 2, breakWiring: mutant.breakWiring, adjust });
  assert.equal(shrunk?.result.ok, false);
  assert.ok(shrunk.scenario.requests.length < 6);
  assert.deepEqual(shrunk.scenario.faults, []);
});

test("there is nothing to take away from a seed that breaks no promise", async () => {
  assert.equal(await shrink({ seed: 3 }), undefined);
});
