// `npm run check`: everything that can be known without a database. Runs all steps, also when one fails.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { CONTRACT, runTool, type ToolResult } from "./repository.ts";

/** A step that could not be run here, and why. */
interface Skipped {
  readonly skipped: string;
}

interface Step {
  readonly name: string;
  readonly run: () => Promise<ToolResult | Skipped>;
}

const STEPS: readonly Step[] = [
  { name: "biome ci", run: () => runTool("biome", ["ci", "--colors=off", "."]) },
  { name: "tsc -b", run: () => runTool("tsc", ["-b"]) },
  { name: "buf lint", run: () => runTool("buf", ["lint"], CONTRACT) },
  { name: "buf breaking", run: checkBreaking },
  { name: "generated files", run: () => runScript("tools/generate.ts", "--check") },
  { name: "tidy", run: () => runScript("tools/test.ts", "--only", "tools", "tools/tidy") },
  { name: "unit tests", run: () => runScript("tools/test.ts", "--only", "unit") },
];

/** `--without-unit-tests`: for who runs `npm test` anyway, which has them. */
const { values } = parseArgs({ options: { "without-unit-tests": { type: "boolean" } } });
process.exitCode = await main(
  STEPS.filter(({ name }) => name !== "unit tests" || !values["without-unit-tests"]),
);

async function main(steps: readonly Step[]): Promise<number> {
  let failedCount = 0;
  for (const { name, run } of steps) {
    const startedAt = performance.now();
    const result = await run();
    const duration = `${((performance.now() - startedAt) / 1000).toFixed(1)} s`.padStart(7);
    if ("skipped" in result) {
      console.log(`skipped${duration}  ${name}: ${result.skipped}`);
    } else if (result.exitCode === 0) {
      console.log(`ok     ${duration}  ${name}`);
    } else {
      failedCount += 1;
      console.log(
        `FAILED ${duration}  ${name}\n${result.output.trimEnd().replaceAll(/^(?=.)/gm, "  ")}\n`,
      );
    }
  }
  console.log(failedCount === 0 ? "\ncheck passed" : `\ncheck failed: ${failedCount} steps`);
  return failedCount === 0 ? 0 : 1;
}

function runScript(script: string, ...args: string[]): Promise<ToolResult> {
  return runTool(process.execPath, ["--conditions=@hodei/source", script, ...args]);
}

/**
 * Compares the contract with an older one that is committed.
 *
 * That is the one in HEAD while the working tree differs from it, and the one before HEAD otherwise,
 * which in CI is what the change is made to.
 */
async function checkBreaking(): Promise<ToolResult | Skipped> {
  const head = await runTool("git", ["rev-parse", "--verify", "HEAD"]);
  if (head.exitCode !== 0) return { skipped: `git knows no HEAD here (${head.output.trim()})` };
  const changes = await runTool("git", ["status", "--porcelain", "--", CONTRACT]);
  const revision = changes.output === "" ? "HEAD~1" : "HEAD";
  const folder = `${revision}:${CONTRACT}`;
  const found = await runTool("git", ["rev-parse", "--verify", "--quiet", folder]);
  if (found.exitCode !== 0) return { skipped: `${revision} has no contract to compare with` };
  const directory = await mkdtemp(join(tmpdir(), "hodei-contract-"));
  try {
    const archive = join(directory, "contract.tar");
    const saved = await runTool("git", ["archive", "--format=tar", `--output=${archive}`, folder]);
    if (saved.exitCode !== 0) return saved;
    return await runTool("buf", ["breaking", "--against", archive], CONTRACT);
  } finally {
    await rm(directory, { recursive: true });
  }
}
