import type { Command } from "commander";
import {
  type CommandContext,
  type Connection,
  type ConnectionFlags,
  withConnection,
} from "../context.ts";
import {
  createCommand,
  type OutputFlags,
  withConnectionOptions,
  withOutputOption,
} from "../define-command.ts";
import { UsageError } from "../errors.ts";
import { type JobFlags, type NewJob, placeJob, readJob, withJobOptions } from "../job-flags.ts";
import { print } from "../output/format.ts";
import { readText } from "../read-input.ts";
import { submitJob } from "../submit-job.ts";

interface Flags extends JobFlags, ConnectionFlags, OutputFlags {
  readonly file?: string;
  readonly schema?: true;
}

/** Longest job file that is read. */
const FILE_MAX_BYTES = 64 * 1024 * 1024;

const DESCRIPTION = `Creates jobs and prints their ids, without waiting for them.

With --file: every document of the file, in YAML or JSON, is a job; all of them are created or none. Without:
one job from flags and words, as \`hodei run --detach\`.

Examples:
  hodei submit -f job.yaml
  generate-jobs | hodei submit -f -
  hodei submit --retries 2 -- make release`;

export function define(context: CommandContext, args: readonly string[]): Command {
  const command = withJobOptions(createCommand("submit", DESCRIPTION, context))
    .option("-f, --file <file>", "job file; `-` for standard input")
    .option("--schema", "print the JSON Schema of job files, for editors");
  return withOutputOption(withConnectionOptions(command)).action(
    (words: readonly string[], flags: Flags) => {
      if (flags.schema) return printSchema(context);
      if (flags.file !== undefined) return submitFile(flags.file, words, flags, context);
      return submitWords(words, flags, args, context);
    },
  );
}

async function printSchema(context: CommandContext): Promise<void> {
  const { jobFileJsonSchema } = await import("../job-file/schema.ts");
  await context.stdout.write(`${JSON.stringify(jobFileJsonSchema(), undefined, 2)}\n`);
}

async function submitWords(
  words: readonly string[],
  flags: Flags,
  args: readonly string[],
  context: CommandContext,
): Promise<void> {
  const request = await readJob(words, flags, args, context);
  await withConnection(context, flags, (connection) =>
    submitJob(placeJob(request, connection, context), connection, flags, context),
  );
}

async function submitFile(
  file: string,
  words: readonly string[],
  flags: Flags,
  context: CommandContext,
): Promise<void> {
  refuseSecondDescription(words, flags);
  const { parseJobFile } = await import("../job-file/parse-job-file.ts");
  const text = await readText(file, context, FILE_MAX_BYTES);
  const jobs = parseJobFile(text, file === "-" ? "standard input" : file);
  await withConnection(context, flags, async (connection) => {
    const ids = await createAll(
      jobs.map((job) => placeJob(job, connection, context)),
      connection,
    );
    await print(context, flags.output, {
      data: () => ids.map((id) => ({ id })),
      text: () => ids.map((id) => `${id}\n`).join(""),
    });
  });
}

/** Flags that go with a job file; all others describe a job, as the file does. */
const FILE_FLAGS: ReadonlySet<string> = new Set(["file", "output", "server", "tokenFile"]);

function refuseSecondDescription(words: readonly string[], flags: Flags): void {
  const flag = Object.keys(flags).find((name) => !FILE_FLAGS.has(name));
  if (flag === undefined && words.length === 0) return;
  const what = flag === undefined ? JSON.stringify(words[0]) : `the flag ${flagName(flag)}`;
  throw new UsageError(`${what} and --file both describe a job`, {
    next: "write all of it into the file, or leave the file out",
  });
}

const flagName = (key: string): string =>
  `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

async function createAll(
  jobs: readonly NewJob[],
  { client }: Pick<Connection, "client">,
): Promise<readonly string[]> {
  const { jobIds } = await client.jobs.createJobs({ jobs: [...jobs] });
  return jobIds;
}
