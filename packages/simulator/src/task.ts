import { huntMutant, MUTANTS } from "./mutants/hunt-mutants.ts";
import { renderViolations } from "./report.ts";
import { runSimulation, type SimulationStats } from "./run-simulation.ts";

/** What a thread is asked to do: plain data. */
export type Task =
  | { readonly kind: "seed"; readonly seed: number }
  | {
      readonly kind: "mutant";
      readonly name: string;
      readonly firstSeed: number;
      readonly count: number;
    };

/** Script of the threads that tasks are sent to. */
export const TASK_THREAD = new URL("./task-thread.ts", import.meta.url);

export type Report = SeedReport | MutantReport;

export interface SeedReport {
  readonly kind: "seed";
  readonly seed: number;
  readonly stats: SimulationStats;
  /** Of a seed that broke a promise: what it broke, for people. */
  readonly violations: string | null;
}

export interface MutantReport {
  readonly kind: "mutant";
  readonly name: string;
  readonly promise: string;
  /** The first seed in which it was noticed. */
  readonly noticedIn: number | null;
}

export async function performTask(task: Task): Promise<Report> {
  if (task.kind === "seed") {
    const { seed } = task;
    const result = await runSimulation({ seed });
    const violations = result.ok ? null : renderViolations(seed, result);
    return { kind: "seed", seed, stats: result.stats, violations };
  }
  const mutant = MUTANTS.find(({ name }) => name === task.name);
  if (mutant === undefined) throw new Error(`there is no mutant "${task.name}"`);
  const { name, promise } = mutant;
  const noticedIn = (await huntMutant(mutant, task)) ?? null;
  return { kind: "mutant", name, promise, noticedIn };
}
