import { type DeadLetter, DeadLetterSchema } from "@hodei/proto/hodei/v1/event_service";
import { messageToJson } from "@hodei/sdk";
import type { Command } from "commander";
import {
  type CommandContext,
  type Connection,
  type ConnectionFlags,
  withConnection,
} from "../context.ts";
import {
  type OutputFlags,
  parsedBy,
  withConnectionOptions,
  withOutputOption,
} from "../define-command.ts";
import { UsageError } from "../errors.ts";
import { print } from "../output/format.ts";
import { notice } from "../output/notice.ts";
import { painter, table } from "../output/text.ts";
import { age } from "../output/time.ts";
import { readPages } from "../pages.ts";
import { InvalidValue } from "../values/invalid-value.ts";
import { wholeNumber } from "../values/scalars.ts";

type Flags = ConnectionFlags & OutputFlags;

interface ListFlags extends Flags {
  readonly limit: number;
}

interface ChooseFlags extends Flags {
  readonly all?: true;
}

interface Key {
  readonly subscription: string;
  readonly cursor: string;
}

const DESCRIPTION =
  "Events that could not be delivered to a subscription, such as the webhook, and were given up.";

/** Adds the commands about dead letters to `events`. */
export function addDeadLetters(events: Command, context: CommandContext): void {
  const deadLetters = events.command("dead-letters").description(DESCRIPTION);
  const withFlags = (command: Command): Command => withOutputOption(withConnectionOptions(command));
  withFlags(
    deadLetters
      .command("list")
      .description("Lists them in the order in which they happened.")
      .option("--limit <count>", "at most so many", parsedBy(wholeNumber(1, 1_000_000)), 100),
  ).action((flags: ListFlags) => list(flags, context));
  const choosing = (name: "replay" | "discard", description: string) =>
    withFlags(
      deadLetters
        .command(name)
        .description(description)
        .argument("[ids...]", "of dead letters, as listed", collectedKeys)
        .option("--all", "all of them"),
    ).action((keys: readonly Key[] | undefined, flags: ChooseFlags) =>
      choose(name, keys ?? [], flags, context),
    );
  choosing("replay", "Delivers them anew; one that fails again for long enough comes back.");
  choosing("discard", "Forgets them.");
}

const parseKey = parsedBy((id: string): Key => {
  const [, subscription, cursor] = /^([^/\s]+)\/(\S+)$/.exec(id) ?? [];
  if (subscription !== undefined && cursor !== undefined) return { subscription, cursor };
  throw new InvalidValue("it is not an id as `hodei events dead-letters list` prints it");
});

const collectedKeys = (id: string, before: readonly Key[] = []): readonly Key[] => [
  ...before,
  parseKey(id),
];

async function list(flags: ListFlags, context: CommandContext): Promise<void> {
  await withConnection(context, flags, async ({ client }) => {
    const { items, hasMore } = await readPages(flags.limit, async (pageSize, pageToken) => {
      const page = await client.events.listDeadLetters({ pageSize, pageToken });
      return { items: page.deadLetters, nextPageToken: page.nextPageToken };
    });
    await print(context, flags.output, {
      data: () => items.map((letter) => messageToJson(DeadLetterSchema, letter)),
      text: () => deadLetterTable(items, context),
    });
    if (hasMore) await notice(context, `there are more than ${flags.limit}; see --limit`);
  });
}

function deadLetterTable(letters: readonly DeadLetter[], context: CommandContext): string {
  const now = context.now();
  const rows = letters.map(({ key, event, error, failures, deadAt }) => [
    `${key?.subscription}/${key?.cursor}`,
    event?.type ?? "",
    event?.subjectId ?? "",
    `${failures}`,
    age(deadAt, now),
    error,
  ]);
  return table(["ID", "TYPE", "SUBJECT", "TRIES", "AGE", "ERROR"], rows, painter(context));
}

async function choose(
  name: "replay" | "discard",
  keys: readonly Key[],
  { all: isAll, ...flags }: ChooseFlags,
  context: CommandContext,
): Promise<void> {
  const all = isAll === true;
  if (all === keys.length > 0) {
    throw new UsageError("give the ids of dead letters, or --all", {
      next: "see: hodei events dead-letters list",
    });
  }
  const choice = { keys: [...keys], all };
  await withConnection(context, flags, async ({ client }) => {
    const { count } = await send(client, name, choice);
    await print(context, flags.output, {
      data: () => ({ count }),
      text: () => `${count} ${name === "replay" ? "to be delivered anew" : "forgotten"}\n`,
    });
  });
}

function send(
  { events }: Connection["client"],
  name: "replay" | "discard",
  choice: { readonly keys: Key[]; readonly all: boolean },
): Promise<{ readonly count: number }> {
  return name === "replay"
    ? events.replayDeadLetters({ choice })
    : events.discardDeadLetters({ choice });
}
