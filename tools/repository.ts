import { spawn } from "node:child_process";
import { delimiter, dirname, join } from "node:path";

/** The checkout. */
export const ROOT = dirname(import.meta.dirname);

/** The contract's folder, where buf runs. */
export const CONTRACT = "packages/proto";

export interface ToolResult {
  readonly exitCode: number;
  /** Both streams, interleaved as they came. */
  readonly output: string;
}

/**
 * Runs an installed tool, or a program of the machine, to its end and captures what it prints.
 *
 * `cwd` is relative to the checkout. A tool that a signal ended has exit code 1. Rejects when the tool
 * cannot be started.
 */
export function runTool(command: string, args: readonly string[], cwd = "."): Promise<ToolResult> {
  const bin = join(ROOT, "node_modules", ".bin");
  const child = spawn(command, args, {
    cwd: join(ROOT, cwd),
    env: { ...process.env, PATH: [bin, process.env.PATH].join(delimiter) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ exitCode: code ?? 1, output }));
  });
}
