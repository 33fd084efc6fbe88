import { planFaults } from "../faults.ts";
import { RandomStream } from "../random.ts";
import { runSimulation } from "../run-simulation.ts";
import { JOB_MUTANTS } from "./job-mutants.ts";
import { LOG_MUTANTS } from "./log-mutants.ts";
import type { Mutant } from "./mutant.ts";
import { WORKER_MUTANTS } from "./worker-mutants.ts";

export const MUTANTS: readonly Mutant[] = [...JOB_MUTANTS, ...LOG_MUTANTS, ...WORKER_MUTANTS];

/** Of the faults that provoke a mutant, in each seed, unless it needs more. */
const FAULT_COUNT = 20;

/** The first seed of `count` from `firstSeed` on in which the mutant's promise is seen broken, if there is one. */
export async function huntMutant(
  { promise, provokedBy: kinds, faultCount: count = FAULT_COUNT, breakWiring }: Mutant,
  { firstSeed, count: seedCount }: { readonly firstSeed: number; readonly count: number },
): Promise<number | undefined> {
  for (let seed = firstSeed; seed < firstSeed + seedCount; seed += 1) {
    const random = new RandomStream(`mutant/${seed}`);
    const { violations } = await runSimulation({
      seed,
      breakWiring,
      adjust: (scenario) => ({
        ...scenario,
        faults: planFaults(random, { kinds, count, untilMs: scenario.activeMs }),
      }),
    });
    if (violations.some((violation) => violation.promise === promise)) return seed;
  }
  return undefined;
}
