// `npm run bench:million`: sends very many jobs through simulated workers and samples the tables on the way. Its figures
// are in `docs/benchmarks.md`.

import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import pg from "pg";
import { runInterruptible } from "../interruptible.ts";
import { describeMachine, renderMachine } from "../machine.ts";
import { withStack } from "../stack.ts";
import { runLoad } from "./load.ts";
import { renderPlot } from "./plot.ts";
import { type Sample, Sampler } from "./sampler.ts";
import { toPlot } from "./to-plot.ts";

const USAGE =
  "usage: npm run bench:million -- [--jobs COUNT] [--hold-snapshot] [--plot FILE.svg] [--json FILE]";
/** Samples of a run, evenly spread over its jobs. */
const SAMPLE_COUNT = 100;

interface Request {
  readonly jobCount: number;
  /** Whether somebody else keeps a transaction open that sees the tables as they were before the first job. */
  readonly holdsSnapshot: boolean;
  readonly plotFile: string | undefined;
  readonly jsonFile: string | undefined;
}

process.exitCode = await main();

async function main(): Promise<number> {
  const request = parseRequest(process.argv.slice(2));
  if (typeof request === "string") {
    console.error(`${request}\n${USAGE}`);
    return 2;
  }
  return runInterruptible((signal) => run(request, signal));
}

async function run(
  { jobCount, holdsSnapshot, plotFile, jsonFile }: Request,
  signal: AbortSignal,
): Promise<void> {
  const machine = await describeMachine();
  console.log(`${renderMachine(machine)}\n`);
  const samples = await withStack({ workerCount: 0, signal }, async (stack) => {
    const database = new pg.Client({ connectionString: stack.databaseUrl });
    const holder = new pg.Client({ connectionString: stack.databaseUrl });
    await Promise.all([database.connect(), holder.connect()]);
    try {
      if (holdsSnapshot) await holdSnapshot(holder);
      const taken: Sample[] = [];
      const onSample = (sample: Sample) => {
        taken.push(sample);
        console.log(renderSample(sample));
      };
      const everyCount = Math.max(1, Math.floor(jobCount / SAMPLE_COUNT));
      const sampler = new Sampler({ database, everyCount, onSample });
      await runLoad(stack, { jobCount, onEnded: (lifeMs) => sampler.count(lifeMs), signal });
      await sampler.done();
      return taken;
    } finally {
      await Promise.all([database.end(), holder.end()]);
    }
  });
  const title = `${jobCount.toLocaleString("en")} jobs through simulated workers`;
  if (plotFile !== undefined) await writeFile(plotFile, renderPlot(toPlot(title, samples)));
  if (jsonFile === undefined) return;
  await writeFile(
    jsonFile,
    `${JSON.stringify({ machine, jobCount, holdsSnapshot, samples }, undefined, 2)}\n`,
  );
}

/** As a report or a backup does, until the end of the connection. */
async function holdSnapshot(client: pg.Client): Promise<void> {
  await client.query("begin isolation level repeatable read");
  await client.query("select from job limit 1");
}

function renderSample(sample: Sample): string {
  const { endedCount, jobsPerSecond, lifeP50Ms, lifeP99Ms, tables } = sample;
  const sum = (pick: (size: (typeof tables)["job"]) => number) =>
    Object.values(tables).reduce((total, size) => total + pick(size), 0);
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
  return [
    `${endedCount} jobs`,
    `${jobsPerSecond.toFixed(0)} jobs/s`,
    `life p50 ${lifeP50Ms.toFixed(0)} ms, p99 ${lifeP99Ms.toFixed(0)} ms`,
    `tables ${mb(sum(({ tableBytes }) => tableBytes))}`,
    `indexes ${mb(sum(({ indexBytes }) => indexBytes))}`,
    `${sum(({ deadCount }) => deadCount)} dead`,
  ].join(", ");
}

/** The request, or what is wrong with it. */
function parseRequest(args: string[]): Request | string {
  try {
    const { values } = parseArgs({
      args,
      options: {
        jobs: { type: "string", default: "1000000" },
        "hold-snapshot": { type: "boolean", default: false },
        plot: { type: "string" },
        json: { type: "string" },
      },
    });
    const jobCount = Number(values.jobs);
    if (!(Number.isInteger(jobCount) && jobCount > 0)) return "--jobs is a number";
    const holdsSnapshot = values["hold-snapshot"];
    return { jobCount, holdsSnapshot, plotFile: values.plot, jsonFile: values.json };
  } catch (error) {
    if (error instanceof TypeError) return error.message;
    throw error;
  }
}
