// `npm run sim`: runs seeds through the simulator, and fails when one of them breaks a promise.

import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { MUTANTS } from "./mutants/hunt-mutants.ts";
import { renderShrunk, renderViolations, Totals } from "./report.ts";
import { runSimulation } from "./run-simulation.ts";
import { runTasks } from "./run-tasks.ts";
import { shrink } from "./shrink.ts";
import { type MutantReport, type SeedReport, TASK_THREAD, type Task } from "./task.ts";
import { formatEntry } from "./trace.ts";

const USAGE = `usage: npm run sim -- [options]

  --seeds N    how many seeds to run (default: 200)
  --from N     the first of them (default: 1)
  --threads N  seeds that run at once (default: one for each core)
  --seed N     run this seed only
  --trace      print everything that happened; with --seed
  --shrink     if the seed breaks a promise, find the least that still does; with --seed
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
  readonly threadCount: number;
  /** One seed was asked for, to look at. */
  readonly showsSeed: boolean;
  readonly showsTrace: boolean;
  readonly shrinks: boolean;
  readonly huntsMutants: boolean;
}

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  const request = parseRequest(args);
  if (typeof request === "string") {
    process.stderr.write(`${request}\n${USAGE}`);
    return 2;
  }
  if (request.huntsMutants) return huntMutants(request);
  return request.showsSeed ? showSeed(request) : runSeeds(request);
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
        threads: { type: "string", default: String(availableParallelism()) },
        shrink: { type: "boolean", default: false },
        trace: { type: "boolean", default: false },
        mutants: { type: "boolean", default: false },
      },
    });
    const defaultCount = values.mutants ? DEFAULT_MUTANT_SEEDS : DEFAULT_SEEDS;
    const count = Number(values.seeds ?? defaultCount);
    const firstSeed = Number(values.seed ?? values.from);
    const threadCount = Number(values.threads);
    if (![firstSeed, count, threadCount].every(Number.isSafeInteger) || count < 1) {
      return "seeds and threads are whole numbers, and there is at least one seed";
    }
    if (threadCount < 1) return "there is at least one thread";
    const showsSeed = values.seed !== undefined;
    const { trace: showsTrace, shrink: shrinks, mutants: huntsMutants } = values;
    if ((showsTrace || shrinks) && !showsSeed) return "--trace and --shrink need --seed";
    return { firstSeed, count, threadCount, showsSeed, showsTrace, shrinks, huntsMutants };
  } catch (error) {
    if (error instanceof TypeError) return error.message;
    throw error;
  }
}

async function runSeeds({ firstSeed, count, threadCount }: Request): Promise<number> {
  const startMs = performance.now();
  const totals = new Totals();
  let shownSeeds = 0;
  let nextProgressMs = startMs + PROGRESS_INTERVAL_MS;
  const onReport = (report: SeedReport) => {
    totals.add(report);
    if (report.violations !== null) {
      shownSeeds += 1;
      if (shownSeeds <= MAX_SHOWN_SEEDS) process.stdout.write(report.violations);
    }
    if (performance.now() >= nextProgressMs) {
      nextProgressMs += PROGRESS_INTERVAL_MS;
      process.stdout.write(totals.render(performance.now() - startMs));
    }
  };
  const tasks = Array.from({ length: count }, (_, index): Task => {
    return { kind: "seed", seed: firstSeed + index };
  });
  await runTasks(TASK_THREAD, { tasks, threadCount, onReport });
  process.stdout.write(totals.render(performance.now() - startMs));
  return totals.isOk ? 0 : 1;
}

/** Shows everything that a seed does, or the least that breaks its promise. */
async function showSeed({ firstSeed: seed, showsTrace, shrinks }: Request): Promise<number> {
  const shrunk = shrinks ? await shrink({ seed }) : undefined;
  const result = shrunk?.result ?? (await runSimulation({ seed }));
  if (showsTrace) {
    for (const entry of result.trace.entries) process.stdout.write(`${formatEntry(entry)}\n`);
  }
  if (shrunk !== undefined) process.stdout.write(renderShrunk(seed, shrunk));
  else if (result.ok) process.stdout.write(`seed ${seed} breaks no promise\n`);
  else process.stdout.write(renderViolations(seed, result));
  return result.ok ? 0 : 1;
}

async function huntMutants({ firstSeed, count, threadCount }: Request): Promise<number> {
  let missed = 0;
  const onReport = ({ name, promise, noticedIn }: MutantReport) => {
    if (noticedIn === null) missed += 1;
    const found =
      noticedIn === null ? `NOT noticed in ${count} seeds` : `noticed in seed ${noticedIn}`;
    process.stdout.write(`${name.padEnd(40)} ${promise.padEnd(16)} ${found}\n`);
  };
  const tasks = MUTANTS.map(({ name }): Task => ({ kind: "mutant", name, firstSeed, count }));
  await runTasks(TASK_THREAD, { tasks, threadCount, onReport });
  process.stdout.write(`${MUTANTS.length - missed} of ${MUTANTS.length} mutants were noticed\n`);
  return missed === 0 ? 0 : 1;
}
