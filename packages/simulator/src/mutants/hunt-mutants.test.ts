import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { huntMutant, MUTANTS } from "./hunt-mutants.ts";

suite("a checker notices when something", () => {
  for (const mutant of MUTANTS) {
    test(`${mutant.name}: ${mutant.promise}`, async () => {
      assert.notEqual(await huntMutant(mutant, { firstSeed: 1, count: 20 }), undefined);
    });
  }
});
