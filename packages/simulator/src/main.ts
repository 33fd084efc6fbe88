// `npm run sim`: runs seeds through the simulator, and fails when one of them breaks a promise.

import { parseArgs } from "node:util";
import { huntMutant, MUTANTS } from "./mutants/hunt-mutants.ts";
import { renderViolations, Totals } from "./report.ts";
import { runSimulation } from "./run-simulation.ts";
import { formatEntry } from "./trace.ts";

const USAGE = `usage: npm run sim -- [options]

  --seeds N    how many seeds to run (default: 200)
  --from N     the first of them (default: 1)
  --seed N     run this seed only
  --trace      print everything that happened; with --seed
  --mutants    break the product's surroundings on purpose, one way after the other, and fail
               unless a checker notices each within the seeds (default: 20)
`;
const DEFAULT_SEEDS = 200;
const DEFAULT_MUTANT_SEEDS = 20;
const PROGRESS_INTERVAL_MS = 10_000;
/** Seeds that are shown with all details; of later ones only the number. */
const MAX_SHOWN_SEEDS = 3;

interface Request {
  readonly firstSeed: number;
  readonly count: number;
  readonly showsTrace: boolean;
  readonly huntsMutants: boolean;
}

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  const request = parseRequest(args);
  if (typeof request === "string") {
    process.stderr.write(`${request}\n${USAGE}`);
    return 2;
  }
  return request.huntsMutants ? huntMutants(request) : runSeeds(request);
}

/** The request, or what is wrong with it. */
function parseRequest(args: string[]): Request | string {
  try {
    const { values } = parseArgs({
      args,
      options: {
        seeds: { type: "string" },
        from: { type: "string", default: "1" },
        seed: { type: "string" },
        trace: { type: "boolean", default: false },
        mutants: { type: "boolean", default: false },
      },
    });
    const defaultCount = values.mutants ? DEFAULT_MUTANT_SEEDS : DEFAULT_SEEDS;
    const count = values.seed === undefined ? Number(values.seeds ?? defaultCount) : 1;
    const firstSeed = Number(values.seed ?? values.from);
    if (!Number.isSafeInteger(firstSeed) || !Number.isSafeInteger(count) || count < 1) {
      return "seeds are whole numbers, and there is at least one";
    }
    return { firstSeed, count, showsTrace: values.trace, huntsMutants: values.mutants };
  } catch (error) {
    if (error instanceof TypeError) return error.message;
    throw error;
  }
}

async function runSeeds({ firstSeed, count, showsTrace }: Request): Promise<number> {
  const startMs = performance.now();
  const totals = new Totals();
  let shownSeeds = 0;
  let nextProgressMs = startMs + PROGRESS_INTERVAL_MS;
  for (let seed = firstSeed; seed < firstSeed + count; seed += 1) {
    const result = await runSimulation({ seed });
    totals.add(seed, result);
    if (showsTrace) {
      for (const entry of result.trace.entries) process.stdout.write(`${formatEntry(entry)}\n`);
    }
    if (!result.ok) {
      shownSeeds += 1;
      if (shownSeeds <= MAX_SHOWN_SEEDS) process.stdout.write(renderViolations(seed, result));
    }
    if (performance.now() >= nextProgressMs) {
      nextProgressMs += PROGRESS_INTERVAL_MS;
      process.stdout.write(totals.render(performance.now() - startMs));
    }
  }
  process.stdout.write(totals.render(performance.now() - startMs));
  return totals.isOk ? 0 : 1;
}

async function huntMutants({ firstSeed, count }: Request): Promise<number> {
  let missed = 0;
  for (const mutant of MUTANTS) {
    const seed = await huntMutant(mutant, { firstSeed, count });
    if (seed === undefined) missed += 1;
    const found = seed === undefined ? `NOT noticed in ${count} seeds` : `noticed in seed ${seed}`;
    process.stdout.write(`${mutant.name.padEnd(40)} ${mutant.promise.padEnd(16)} ${found}\n`);
  }
  process.stdout.write(`${MUTANTS.length - missed} of ${MUTANTS.length} mutants were noticed\n`);
  return missed === 0 ? 0 : 1;
}
