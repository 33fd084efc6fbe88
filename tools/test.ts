// `npm test`: runs every suite that this machine can run, and fails when anything did not run as it should.

import { mkdtemp, rm } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "./repository.ts";
import { type AllowedSkips, renderEnd, renderFile, verdict } from "./test-run/report.ts";
import { type FileResult, runFile } from "./test-run/run-file.ts";
import { findFiles, SUITES, type Suite } from "./test-run/suites.ts";

const USAGE = `usage: npm test -- [--only ${SUITES.map(({ name }) => name).join("|")}] [part of a path]`;

interface Request {
  readonly suites: readonly Suite[];
  /** Part of the paths to run; empty for all. */
  readonly pattern: string;
}

process.exitCode = await main();

async function main(): Promise<number> {
  const request = parseRequest(process.argv.slice(2));
  if (typeof request === "string") {
    console.error(`${request}\n${USAGE}`);
    return 2;
  }
  const stop = new AbortController();
  let stoppedBy: NodeJS.Signals | undefined;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      stoppedBy = signal;
      stop.abort();
    });
  }
  const scratch = await mkdtemp(join(tmpdir(), "hodei-test-"));
  try {
    const results: FileResult[] = [];
    const empty: string[] = [];
    for (const suite of request.suites) {
      const paths = await findFiles(suite, ROOT, request.pattern);
      if (paths.length === 0) empty.push(suite.name);
      else results.push(...(await runSuite({ suite, paths, scratch, signal: stop.signal })));
    }
    if (stoppedBy !== undefined) return 128 + constants.signals[stoppedBy];
    // A suite that lost all its files would otherwise pass for ever.
    const problems = verdict(results, {
      emptySuites: request.pattern === "" ? empty : [],
      skips: allowedSkips(),
    });
    console.log(renderEnd(results, problems));
    return problems.length === 0 ? 0 : 1;
  } finally {
    await rm(scratch, { recursive: true });
  }
}

function allowedSkips(): AllowedSkips {
  if (process.env.CI !== "true") return "any";
  return process.getuid?.() === 0 ? "none" : "root";
}

/** The request, or what is wrong with it. */
function parseRequest(args: string[]): Request | string {
  try {
    const { values, positionals } = parseArgs({
      args,
      options: { only: { type: "string" } },
      allowPositionals: true,
    });
    const [pattern = "", ...rest] = positionals;
    if (rest.length > 0) return "more than one part of a path";
    const suites = SUITES.filter(({ name }) => values.only === undefined || name === values.only);
    return suites.length > 0 ? { suites, pattern } : `there is no suite "${values.only}"`;
  } catch (error) {
    if (error instanceof TypeError) return error.message;
    throw error;
  }
}

interface SuiteRun {
  readonly suite: Suite;
  readonly paths: readonly string[];
  readonly scratch: string;
  readonly signal: AbortSignal;
}

async function runSuite({ suite, paths, scratch, signal }: SuiteRun): Promise<FileResult[]> {
  console.log(`\n${suite.name}: ${paths.length} files`);
  const results: FileResult[] = [];
  const waiting = [...paths];
  const work = async () => {
    for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
      if (signal.aborted) return;
      const result = await runFile({
        root: ROOT,
        path,
        timeoutMs: suite.timeoutMs,
        scratch: join(scratch, path.replaceAll("/", "-")),
        signal,
      });
      results.push(result);
      if (!signal.aborted) console.log(renderFile(result));
    }
  };
  await Promise.all(Array.from({ length: suite.concurrency }, work));
  return results;
}
