// `npm run bench`: measures, each figure beside a baseline from the same minute. `docs/benchmarks.md` says how to read it.
//
// A target that is missed is said and fails nothing: other machines have other numbers.

import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { runInterruptible } from "./interruptible.ts";
import { renderJson } from "./json.ts";
import { describeMachine, renderMachine } from "./machine.ts";
import { type Result, toResult } from "./result.ts";
import type { Row, Settings } from "./row.ts";
import { ROWS } from "./rows.ts";
import { renderTable, renderTarget } from "./table.ts";

const USAGE = `usage: npm run bench -- [ROW…] [--json FILE] [--sessions COUNT] [--list]
rows: ${ROWS.map(({ name }) => name).join(", ")}; default: all`;
/** The target is 5,000, which takes a small machine many minutes to open, twice. */
const SESSION_COUNT = "500";

interface Request {
  readonly rows: readonly Row[];
  readonly settings: Settings;
  readonly jsonFile: string | undefined;
  readonly isList: boolean;
}

process.exitCode = await main();

async function main(): Promise<number> {
  const request = parseRequest(process.argv.slice(2));
  if (typeof request === "string") {
    console.error(`${request}\n${USAGE}`);
    return 2;
  }
  if (request.isList) {
    console.log(ROWS.map(describeRow).join("\n\n"));
    return 0;
  }
  return runInterruptible((signal) => run(request, signal));
}

async function run({ rows, settings, jsonFile }: Request, signal: AbortSignal): Promise<void> {
  const machine = await describeMachine();
  console.log(`${renderMachine(machine)}\n`);
  const results: Result[] = [];
  for (const row of rows) {
    const startedAtMs = performance.now();
    const rounds = await row.measure(signal, settings);
    results.push(...row.figures.map((figure, index) => toResult(figure, rounds[index] ?? [])));
    console.error(
      `${row.name}: measured in ${Math.round((performance.now() - startedAtMs) / 1_000)} s`,
    );
  }
  console.log(`\n${renderTable(results)}\n\n${renderVerdict(results)}`);
  if (jsonFile === undefined) return;
  await writeFile(jsonFile, renderJson(machine, results));
}

function renderVerdict(results: readonly Result[]): string {
  const missed = results.filter(({ met }) => !met).map(({ name }) => name);
  if (missed.length === 0) return "Every target is met.";
  return `${missed.length} of ${results.length} targets missed: ${missed.join(", ")}.`;
}

function describeRow({ name, about, figures }: Row): string {
  const targets = figures.map((figure) => `  ${figure.name}: ${renderTarget(figure)}`);
  return [`${name}: ${about}`, ...targets].join("\n");
}

/** The request, or what is wrong with it. */
function parseRequest(args: string[]): Request | string {
  try {
    const { values, positionals } = parseArgs({
      args,
      options: {
        json: { type: "string" },
        sessions: { type: "string", default: SESSION_COUNT },
        list: { type: "boolean", default: false },
      },
      allowPositionals: true,
    });
    const unknown = positionals.find((name) => !ROWS.some((row) => row.name === name));
    if (unknown !== undefined) return `there is no row "${unknown}"`;
    const rows = ROWS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
    const sessionCount = Number(values.sessions);
    if (!(Number.isInteger(sessionCount) && sessionCount > 0)) return "--sessions is a number";
    return { rows, settings: { sessionCount }, jsonFile: values.json, isList: values.list };
  } catch (error) {
    if (error instanceof TypeError) return error.message;
    throw error;
  }
}
