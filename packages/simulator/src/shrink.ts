import { runSimulation, type SimulationOptions, type SimulationResult } from "./run-simulation.ts";
import type { Scenario } from "./scenario.ts";

export interface Shrunk {
  readonly scenario: Pick<Scenario, "faults" | "requests">;
  /** Of the run of `scenario`: it still breaks the promise. */
  readonly result: SimulationResult;
}

/**
 * Takes faults and requests away from what a seed stands for as long as what is left still breaks the same promise.
 * Returns `undefined` for a seed that breaks none. Takes some hundred runs at most.
 */
export async function shrink(options: SimulationOptions): Promise<Shrunk | undefined> {
  let scenario: Scenario | undefined;
  let result = await runSimulation({
    ...options,
    adjust: (whole) => {
      scenario = options.adjust?.(whole) ?? whole;
      return scenario;
    },
  });
  const promise = result.violations[0]?.promise;
  if (promise === undefined || scenario === undefined) return undefined;

  let kept: Shrunk["scenario"] = scenario;
  const stillBreaks = async (part: Shrunk["scenario"]) => {
    const { faults, requests } = part;
    const adjust = (whole: Scenario) => ({ ...whole, faults, requests });
    const attempt = await runSimulation({ ...options, adjust });
    if (!attempt.violations.some((violation) => violation.promise === promise)) return false;
    kept = { faults, requests };
    result = attempt;
    return true;
  };
  for (let size = 0; size !== sizeOf(kept); ) {
    size = sizeOf(kept);
    await takeAway(kept.faults, (faults) => stillBreaks({ ...kept, faults }));
    await takeAway(kept.requests, (requests) => stillBreaks({ ...kept, requests }));
  }
  return { scenario: kept, result };
}

const sizeOf = ({ faults, requests }: Shrunk["scenario"]): number =>
  faults.length + requests.length;

/** Tries lists with less and less taken out; goes on from each of which `isEnough`. */
async function takeAway<T>(
  all: readonly T[],
  isEnough: (part: readonly T[]) => Promise<boolean>,
): Promise<void> {
  let kept = all;
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let start = 0; start < kept.length; ) {
      const part = kept.toSpliced(start, size);
      if (await isEnough(part)) kept = part;
      else start += size;
    }
  }
}
