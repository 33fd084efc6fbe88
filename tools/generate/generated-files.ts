import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  ATTEMPT_TRANSITIONS,
  EXIT_REASONS,
  JOB_TRANSITIONS,
  WORKER_TRANSITIONS,
} from "@hodei/domain";
import { CONTRACT, ROOT, runTool } from "../repository.ts";
import { renderExitReasons } from "./exit-reasons.ts";
import { compareTrees, readTree } from "./files.ts";
import { renderStates } from "./states.ts";

/** Folder in which every file is generated, so that one left over there is stale too. */
const CODE = `${CONTRACT}/src/gen`;

/** Formats the contract, then writes the code made from it and the documents made from domain tables. */
export async function writeGenerated(): Promise<void> {
  await buf("format", "--write");
  await withGenerated(async (directory) => {
    await cp(directory, ROOT, { recursive: true });
    const wanted = await readTree(join(directory, CODE));
    for (const path of (await readTree(join(ROOT, CODE))).keys()) {
      if (!wanted.has(path)) await rm(join(ROOT, CODE, path));
    }
  });
}

/** What `writeGenerated` would change, one line each; empty when nothing is stale. Writes nothing. */
export async function findStale(): Promise<string[]> {
  const format = await runTool("buf", ["format", "--diff", "--exit-code"], CONTRACT);
  const stale = format.exitCode === 0 ? [] : [`not formatted:\n${format.output.trimEnd()}`];
  await withGenerated(async (directory) => {
    for (const folder of [CODE, "docs"]) {
      const wanted = await readTree(join(directory, folder));
      const found = await readTree(join(ROOT, folder));
      const isGenerated = (path: string) => folder === CODE || wanted.has(path);
      const relevant = new Map([...found].filter(([path]) => isGenerated(path)));
      stale.push(...compareTrees(wanted, relevant).map((line) => `${folder}: ${line}`));
    }
  });
  return stale;
}

/** Generates everything into a temporary folder laid out as the checkout. */
async function withGenerated(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "hodei-generate-"));
  try {
    await buf("generate", "--output", join(directory, CONTRACT));
    for (const [path, text] of await documents()) {
      await mkdir(dirname(join(directory, path)), { recursive: true });
      await writeFile(join(directory, path), text);
    }
    await use(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function documents(): Promise<[path: string, text: string][]> {
  const machines = [
    { subject: "job", table: "JOB_TRANSITIONS", transitions: JOB_TRANSITIONS },
    { subject: "attempt", table: "ATTEMPT_TRANSITIONS", transitions: ATTEMPT_TRANSITIONS },
    { subject: "worker", table: "WORKER_TRANSITIONS", transitions: WORKER_TRANSITIONS },
  ];
  return [
    ["docs/states.md", renderStates(machines)],
    ["docs/exit-reasons.md", renderExitReasons(EXIT_REASONS)],
    ["docs/job.schema.json", await printJobSchema()],
  ];
}

/** What editors check job files with: the command that reads job files prints it. */
function printJobSchema(): Promise<string> {
  const hodei = ["--no-warnings", "packages/cli/bin/hodei.mjs"];
  return outputOf(process.execPath, [...hodei, "submit", "--schema"], ".");
}

async function buf(...args: string[]): Promise<void> {
  await outputOf("buf", args, CONTRACT);
}

/** @throws Error with what the tool printed when it fails. */
async function outputOf(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { exitCode, output } = await runTool(command, args, cwd);
  if (exitCode !== 0) throw new Error(`${command} ${args.join(" ")} failed:\n${output}`);
  return output;
}
