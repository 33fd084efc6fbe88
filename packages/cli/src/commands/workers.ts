import { type Worker, WorkerSchema, WorkerState } from "@hodei/proto/hodei/v1/worker";
import { CreateJoinTokenResponseSchema } from "@hodei/proto/hodei/v1/worker_admin_service";
import { durationFromMs, HodeiError, messageToJson } from "@hodei/sdk";
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
import { enumValue, enumWords } from "../output/enum-word.ts";
import { print } from "../output/format.ts";
import { notice } from "../output/notice.ts";
import { painter } from "../output/text.ts";
import { instant } from "../output/time.ts";
import { workerFacts, workerTable } from "../output/worker-view.ts";
import { readPages } from "../pages.ts";
import { parseDuration } from "../values/duration.ts";
import { InvalidValue } from "../values/invalid-value.ts";
import { parseId, wholeNumber } from "../values/scalars.ts";

type Flags = ConnectionFlags & OutputFlags;

interface ListFlags extends Flags {
  readonly state?: readonly WorkerState[];
  readonly limit: number;
}

interface TokenFlags extends Flags {
  readonly pool?: string;
  readonly ttl?: number;
}

export function define(context: CommandContext): Command {
  const workers = createCommand("workers", "Looks at workers and steers them.", context);
  const withFlags = (command: Command): Command => withOutputOption(withConnectionOptions(command));
  withFlags(
    workers
      .command("list")
      .description("Lists workers, newest first; those that are gone only with --state.")
      .option(
        "--state <state>",
        `one of ${STATE_WORDS.join(", ")} (repeatable)`,
        collectedBy(parseState),
      )
      .option("--limit <count>", "at most so many", parsedBy(wholeNumber(1, 1_000_000)), 100),
  ).action((flags: ListFlags) => listWorkers(flags, context));
  withFlags(
    workers
      .command("get")
      .description("Shows a worker.")
      .argument("<id>", "id of the worker", parsedBy(parseId)),
  ).action((id: string, flags: Flags) => getWorker(id, flags, context));
  withFlags(
    workers
      .command("drain")
      .description("Gives a worker nothing new; it ends when its attempts have.")
      .argument("<id>", "id of the worker", parsedBy(parseId)),
  ).action((id: string, flags: Flags) => drainWorker(id, flags, context));
  withFlags(
    workers
      .command("create-join-token")
      .description("Prints a token with which one worker may join, once.")
      .option("--pool <name>", "pool that the worker will count to; default: joined")
      .option("--ttl <duration>", "how long it is valid; default: 1h", parsedBy(parseDuration)),
  ).action((flags: TokenFlags) => createJoinToken(flags, context));
  return workers;
}

/** Busy workers are ready ones that run something, and are found as such. */
const STATE_WORDS = enumWords(WorkerState).filter((word) => word !== "busy");

function parseState(word: string): WorkerState {
  const state = enumValue(WorkerState, word);
  if (state !== undefined && STATE_WORDS.includes(word)) return state;
  throw new InvalidValue(`${JSON.stringify(word)} is not one of ${STATE_WORDS.join(", ")}`);
}

/** Workers that may run something, now or soon. */
const LISTED_STATES: readonly WorkerState[] = [
  WorkerState.PROVISIONING,
  WorkerState.CONNECTING,
  WorkerState.READY,
  WorkerState.DRAINING,
];

async function listWorkers(flags: ListFlags, context: CommandContext): Promise<void> {
  const states = [...(flags.state ?? LISTED_STATES)];
  await withConnection(context, flags, async ({ client }) => {
    const { items, hasMore } = await readPages(flags.limit, async (pageSize, pageToken) => {
      const page = await client.workers.listWorkers({ states, pageSize, pageToken });
      return { items: page.workers, nextPageToken: page.nextPageToken };
    });
    await print(context, flags.output, {
      data: () => items.map((worker) => messageToJson(WorkerSchema, worker)),
      text: () => workerTable(items, context.now(), painter(context)),
    });
    if (hasMore) await notice(context, `there are more than ${flags.limit}; see --limit`);
  });
}

async function getWorker(workerId: string, flags: Flags, context: CommandContext): Promise<void> {
  await withConnection(context, flags, async ({ client }) => {
    const { worker } = await client.workers.getWorker({ workerId });
    await printWorker(worker, flags, context);
  });
}

async function drainWorker(workerId: string, flags: Flags, context: CommandContext): Promise<void> {
  await withConnection(context, flags, async ({ client }) => {
    const { worker } = await client.workers.drainWorker({ workerId });
    await printWorker(worker, flags, context);
  });
}

async function printWorker(
  worker: Worker | undefined,
  { output }: OutputFlags,
  context: CommandContext,
): Promise<void> {
  if (worker === undefined) {
    throw new HodeiError("internal", "internal", "the server sent no worker");
  }
  await print(context, output, {
    data: () => messageToJson(WorkerSchema, worker),
    text: () => workerFacts(worker, painter(context)),
  });
}

async function createJoinToken(flags: TokenFlags, context: CommandContext): Promise<void> {
  await withConnection(context, flags, async ({ client }) => {
    const response = await client.workers.createJoinToken({
      pool: flags.pool ?? "",
      ...(flags.ttl === undefined ? {} : { ttl: durationFromMs(flags.ttl) }),
    });
    await print(context, flags.output, {
      data: () => messageToJson(CreateJoinTokenResponseSchema, response),
      text: () => `${response.joinToken}\n`,
    });
    if (flags.output === "text") {
      const until = instant(response.expiresAt);
      await notice(context, `valid for one worker, until ${until}; it is not shown again`);
    }
  });
}
