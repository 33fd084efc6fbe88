import type { Command } from "commander";
import type { CommandContext } from "./context.ts";
import { UsageError } from "./errors.ts";
import { type JobFlags, type NewJob, readJob } from "./job-flags.ts";
import { readText } from "./read-input.ts";

/** Longest job file that is read. */
const FILE_MAX_BYTES = 64 * 1024 * 1024;

/** Flags of commands that take jobs from a file as well. */
export interface DescribedFlags {
  readonly file?: string;
}

export function withFileOption(command: Command): Command {
  return command.option("-f, --file <file>", "job file; `-` for standard input");
}

/**
 * The jobs of the file that the flags name, a document each; else the one of flags and words.
 * @throws UsageError, CommandError
 */
export async function readJobs(
  words: readonly string[],
  flags: JobFlags & DescribedFlags,
  args: readonly string[],
  context: CommandContext,
): Promise<readonly NewJob[]> {
  const { file } = flags;
  if (file === undefined) return [await readJob(words, flags, args, context)];
  refuseSecondDescription(words, flags);
  const { parseJobFile } = await import("./job-file/parse-job-file.ts");
  const text = await readText(file, context, FILE_MAX_BYTES);
  return parseJobFile(text, file === "-" ? "standard input" : file);
}

/** Flags that go with a job file; all others describe a job, as the file does. */
const FILE_FLAGS: ReadonlySet<string> = new Set(["file", "output", "server", "tokenFile"]);

function refuseSecondDescription(words: readonly string[], flags: object): void {
  const flag = Object.keys(flags).find((name) => !FILE_FLAGS.has(name));
  if (flag === undefined && words.length === 0) return;
  const what = flag === undefined ? JSON.stringify(words[0]) : `the flag ${flagName(flag)}`;
  throw new UsageError(`${what} and --file both describe a job`, {
    next: "write all of it into the file, or leave the file out",
  });
}

const flagName = (key: string): string =>
  `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
