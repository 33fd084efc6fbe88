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
import { type JobFlags, type NewJob, placeJob, readJob, withJobOptions } from "../job-flags.ts";
import { print } from "../output/format.ts";
import { type DescribedFlags, readJobs, withFileOption } from "../read-jobs.ts";
import { submitJob } from "../submit-job.ts";

interface Flags extends JobFlags, ConnectionFlags, OutputFlags, DescribedFlags {
  readonly schema?: true;
}

const DESCRIPTION = `Creates jobs and prints their ids, without waiting for them.

With --file: every document of the file, in YAML or JSON, is a job; all of them are created or none. Without:
one job from flags and words, as \`hodei run --detach\`.

Examples:
  hodei submit -f job.yaml
  generate-jobs | hodei submit -f -
  hodei submit --retries 2 -- make release`;

export function define(context: CommandContext, args: readonly string[]): Command {
  const command = withFileOption(
    withJobOptions(createCommand("submit", DESCRIPTION, context)),
  ).option("--schema", "print the JSON Schema of job files, for editors");
  return withOutputOption(withConnectionOptions(command)).action(
    (words: readonly string[], flags: Flags) => {
      if (flags.schema) return printSchema(context);
      if (flags.file !== undefined) return submitFile(words, flags, args, context);
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
  words: readonly string[],
  flags: Flags,
  args: readonly string[],
  context: CommandContext,
): Promise<void> {
  const jobs = await readJobs(words, flags, args, context);
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

async function createAll(
  jobs: readonly NewJob[],
  { client }: Pick<Connection, "client">,
): Promise<readonly string[]> {
  const { jobIds } = await client.jobs.createJobs({ jobs: [...jobs] });
  return jobIds;
}
