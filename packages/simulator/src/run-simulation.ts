import { checkRun } from "./checkers/check-run.ts";
import { createSimulation } from "./create-simulation.ts";
import { readStored, type Violation } from "./finished-run.ts";
import { RandomStream } from "./random.ts";
import { planScenario, type Scenario } from "./scenario.ts";
import type { Trace } from "./trace.ts";
import type { Wiring } from "./world.ts";

export interface SimulationOptions {
  /** Any whole number. Same seed, same code: same trace. */
  readonly seed: number;
  /** Changes what the seed stands for. Default: nothing is changed. */
  readonly adjust?: (scenario: Scenario) => Scenario;
  /** Breaks what replicas work on, to see that checkers notice. Default: nothing is broken. */
  readonly breakWiring?: (wiring: Wiring) => Wiring;
}

export interface SimulationResult {
  readonly ok: boolean;
  readonly violations: readonly Violation[];
  readonly trace: Trace;
  readonly stats: SimulationStats;
}

export interface SimulationStats {
  readonly jobs: number;
  readonly attempts: number;
  readonly faults: number;
  readonly virtualMs: number;
}

/** How long a run goes on after its last job has ended: what is late comes then. */
const AFTERMATH_MS = 15_000;

/** Runs the real use cases and loops through one seed's scenario, and judges what came of it. */
export async function runSimulation({
  seed,
  adjust = (scenario) => scenario,
  breakWiring = (wiring) => wiring,
}: SimulationOptions): Promise<SimulationResult> {
  const random = new RandomStream(`seed/${seed}`);
  const scenario = adjust(planScenario(random));
  const { world, database, start, isDone } = createSimulation(scenario, random, breakWiring);
  const { clock, history, trace } = world;
  const { activeMs, timing } = scenario;
  start();
  await clock.run(activeMs, () => false);
  await clock.run(activeMs + timing.keptWithinMs, isDone);
  await clock.run(clock.elapsedMs + AFTERMATH_MS, () => false);

  const stored = await readStored(database, world.wiring.logs);
  const violations = checkRun({ ...stored, scenario, history });
  const stats = {
    jobs: stored.jobs.size,
    attempts: [...stored.attempts.values()].flat().length,
    faults: scenario.faults.length,
    virtualMs: clock.elapsedMs,
  };
  return { ok: violations.length === 0, violations, trace, stats };
}
