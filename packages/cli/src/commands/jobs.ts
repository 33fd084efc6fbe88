import { JobSchema, JobState } from "@hodei/proto/hodei/v1/job";
import { ExplainJobResponseSchema, GetJobResponseSchema } from "@hodei/proto/hodei/v1/job_service";
import { HodeiError, messageToJson, timestampFromDate, waitForJob } from "@hodei/sdk";
import type { Command } from "commander";
import { type CommandContext, type ConnectionFlags, withConnection } from "../context.ts";
import {
  collectedBy,
  createCommand,
  type OutputFlags,
  parsedBy,
  withConnectionOptions,
  withOutputOption,
} from "../define-command.ts";
import { CommandError } from "../errors.ts";
import { exitCodeOfJob } from "../exit-code.ts";
import { enumValue, enumWords } from "../output/enum-word.ts";
import { explanationText } from "../output/explanation-view.ts";
import { print } from "../output/format.ts";
import { jobFacts, jobTable } from "../output/job-view.ts";
import { notice } from "../output/notice.ts";
import { painter } from "../output/text.ts";
import { readPages } from "../pages.ts";
import { defined } from "../values/defined.ts";
import { formatDuration, parseDuration } from "../values/duration.ts";
import { InvalidValue } from "../values/invalid-value.ts";
import { parseId, parseInstant, parsePair, wholeNumber } from "../values/scalars.ts";

/** Longest time that a timer of Node.js takes: 24.8 days. */
const TIMER_MAX_MS = 2 ** 31 - 1;

type Flags = ConnectionFlags & OutputFlags;

interface ListFlags extends Flags {
  readonly state?: readonly JobState[];
  readonly label?: readonly (readonly [string, string])[];
  readonly name?: string;
  readonly after?: Date;
  readonly before?: Date;
  readonly limit: number;
}

export function define(context: CommandContext): Command {
  const jobs = createCommand("jobs", "Looks at jobs and steers them.", context);
  defineList(jobs, context);
  const withId = (name: string, summary: string): Command =>
    withOutputOption(
      withConnectionOptions(
        jobs
          .command(name)
          .description(summary)
          .argument("<id>", "id of the job", parsedBy(parseId)),
      ),
    );
  withId("get", "Shows a job and its attempts.").action((id: string, flags: Flags) =>
    getJob(id, flags, context),
  );
  withId("wait", "Waits until a job has ended and exits with its exit code, as `hodei run` does.")
    .option("--timeout <duration>", "gives up after so long", parsedBy(parseDuration))
    .action((id: string, flags: Flags & { readonly timeout?: number }) => wait(id, flags, context));
  withId("cancel", "Asks for the end of a job. A job that has ended stays as it is.").action(
    (id: string, flags: Flags) => cancelJob(id, flags, context),
  );
  withId("retry", "Creates a new job from the spec of one that has ended.")
    .option("--idempotency-key <key>", "repeats with the same key create no second job")
    .action((id: string, flags: Flags & { readonly idempotencyKey?: string }) =>
      retryJob(id, flags, context),
    );
  withId("explain", "Says why a job waits, or why it was placed where it was.").action(
    (id: string, flags: Flags) => explainJob(id, flags, context),
  );
  return jobs;
}

function defineList(jobs: Command, context: CommandContext): void {
  const states = enumWords(JobState);
  const command = jobs
    .command("list")
    .description("Lists jobs, newest first.")
    .option("--state <state>", `one of ${states.join(", ")} (repeatable)`, collectedBy(parseState))
    .option(
      "--label <name=value>",
      "with this label (repeatable: all of them)",
      collectedBy(parsePair),
    )
    .option("--name <text>", "with this text in its name, case ignored")
    .option(
      "--after <instant>",
      "created after, such as 2026-01-31T08:00:00Z",
      parsedBy(parseInstant),
    )
    .option("--before <instant>", "created before", parsedBy(parseInstant))
    .option("--limit <count>", "at most so many", parsedBy(wholeNumber(1, 1_000_000)), 100);
  withOutputOption(withConnectionOptions(command)).action((flags: ListFlags) =>
    listJobs(flags, context),
  );
}

function parseState(word: string): JobState {
  const state = enumValue(JobState, word);
  if (state !== undefined) return state;
  throw new InvalidValue(`${JSON.stringify(word)} is not one of ${enumWords(JobState).join(", ")}`);
}

async function listJobs(flags: ListFlags, context: CommandContext): Promise<void> {
  const filter = defined({
    states: [...(flags.state ?? [])],
    labels: Object.fromEntries(flags.label ?? []),
    nameContains: flags.name,
    createdAfter: flags.after && timestampFromDate(flags.after),
    createdBefore: flags.before && timestampFromDate(flags.before),
  });
  await withConnection(context, flags, async ({ client }) => {
    const { items, hasMore } = await readPages(flags.limit, async (pageSize, pageToken) => {
      const page = await client.jobs.listJobs({ filter, pageSize, pageToken });
      return { items: page.jobs, nextPageToken: page.nextPageToken };
    });
    await print(context, flags.output, {
      data: () => items.map((job) => messageToJson(JobSchema, job)),
      text: () => jobTable(items, context.now(), painter(context)),
    });
    if (hasMore) await notice(context, `there are more than ${flags.limit}; see --limit`);
  });
}

async function getJob(jobId: string, flags: Flags, context: CommandContext): Promise<void> {
  await withConnection(context, flags, async ({ client }) => {
    const response = await client.jobs.getJob({ jobId });
    const { job, attempts, keptUntil } = response;
    if (job === undefined) throw noJob();
    await print(context, flags.output, {
      data: () => messageToJson(GetJobResponseSchema, response),
      text: () => jobFacts({ job, attempts, keptUntil }, context.now(), painter(context)),
    });
  });
}

async function wait(
  jobId: string,
  flags: Flags & { readonly timeout?: number },
  context: CommandContext,
): Promise<void> {
  const { timeout } = flags;
  // A longer timer would fire at once (setTimeout takes 31 bits), and nobody waits that long.
  const limit =
    timeout === undefined ? {} : { signal: AbortSignal.timeout(Math.min(timeout, TIMER_MAX_MS)) };
  await withConnection(context, flags, async ({ client }) => {
    const job = await waitForJob(client, jobId, limit).catch((error: unknown) => {
      if (timeout === undefined || !(error instanceof HodeiError) || error.code !== "cancelled")
        throw error;
      throw new CommandError(`job ${jobId} has not ended within ${formatDuration(timeout)}`, {
        next: `see why with: hodei jobs explain ${jobId}`,
        cause: error,
      });
    });
    await print(context, flags.output, {
      data: () => messageToJson(JobSchema, job),
      text: () => jobFacts({ job }, context.now(), painter(context)),
    });
    context.exitCode = exitCodeOfJob(job);
  });
}

async function cancelJob(jobId: string, flags: Flags, context: CommandContext): Promise<void> {
  await withConnection(context, flags, async ({ client }) => {
    const { job } = await client.jobs.cancelJob({ jobId });
    if (job === undefined) throw noJob();
    await print(context, flags.output, {
      data: () => messageToJson(JobSchema, job),
      text: () =>
        job.finishedAt === undefined
          ? `job ${jobId} is being cancelled; wait for its end with: hodei jobs wait ${jobId}\n`
          : jobFacts({ job }, context.now(), painter(context)),
    });
  });
}

async function retryJob(
  jobId: string,
  flags: Flags & { readonly idempotencyKey?: string },
  context: CommandContext,
): Promise<void> {
  await withConnection(context, flags, async ({ client }) => {
    const idempotencyKey = flags.idempotencyKey ?? "";
    const { job } = await client.jobs.retryJob({ jobId, idempotencyKey });
    if (job === undefined) throw noJob();
    await print(context, flags.output, {
      data: () => messageToJson(JobSchema, job),
      text: () => `${job.id}\n`,
    });
  });
}

async function explainJob(jobId: string, flags: Flags, context: CommandContext): Promise<void> {
  await withConnection(context, flags, async ({ client }) => {
    const response = await client.jobs.explainJob({ jobId });
    await print(context, flags.output, {
      data: () => messageToJson(ExplainJobResponseSchema, response),
      text: () => explanationText(response, painter(context)),
    });
  });
}

const noJob = (): HodeiError => new HodeiError("internal", "internal", "the server sent no job");
