import { type Event, EventSchema } from "@hodei/proto/hodei/v1/event_service";
import { messageToJson, watchEvents } from "@hodei/sdk";
import type { Command } from "commander";
import {
  type CommandContext,
  type Connection,
  type ConnectionFlags,
  withConnection,
} from "../context.ts";
import {
  collectedBy,
  createCommand,
  type OutputFlags,
  parsedBy,
  withConnectionOptions,
  withOutputOption,
} from "../define-command.ts";
import { printEntry } from "../output/format.ts";
import { visible } from "../output/text.ts";
import { instant } from "../output/time.ts";
import { wholeNumber } from "../values/scalars.ts";
import { addDeadLetters } from "./dead-letters.ts";

interface Flags extends ConnectionFlags, OutputFlags {
  readonly follow?: true;
  readonly subject?: string;
  readonly type?: readonly string[];
  readonly cursor?: string;
  readonly limit: number;
}

/** Largest page of the contract. */
const PAGE_MAX = 1000;

const DESCRIPTION = `Prints what happened to jobs and workers, oldest first. With --follow: what happens from now on, or
after the cursor. Every event as data carries its cursor, with which to read on.`;

export function define(context: CommandContext): Command {
  const command = createCommand("events", DESCRIPTION, context)
    .option("-f, --follow", "go on until interrupted")
    .option("--subject <id>", "only about this job or worker")
    .option(
      "--type <type>",
      "only of this type, such as job.created (repeatable)",
      collectedBy(String),
    )
    .option("--cursor <cursor>", "only after the event with this cursor")
    .option(
      "--limit <count>",
      "without --follow, at most so many",
      parsedBy(wholeNumber(1, 1_000_000)),
      1000,
    );
  // What stands behind the inner command belongs to it: both have options of the same names.
  command.enablePositionalOptions();
  addDeadLetters(command, context);
  return withOutputOption(withConnectionOptions(command)).action((flags: Flags) =>
    withConnection(context, flags, async ({ client }) => {
      const events = flags.follow ? watch(client, flags) : list(client, flags);
      for await (const event of events) {
        await printEntry(context, flags.output, {
          data: () => messageToJson(EventSchema, event),
          text: () => eventLine(event),
        });
      }
    }),
  );
}

const filterOf = ({ subject, type }: Flags) => ({
  subjectId: subject ?? "",
  types: [...(type ?? [])],
});

function watch(client: Connection["client"], flags: Flags): AsyncIterable<Event> {
  return watchEvents(client, { filter: filterOf(flags), cursor: flags.cursor ?? "" });
}

async function* list(client: Connection["client"], flags: Flags): AsyncGenerator<Event> {
  let cursor = flags.cursor ?? "";
  let left = flags.limit;
  while (left > 0) {
    const pageSize = Math.min(left, PAGE_MAX);
    const page = await client.events.listEvents({ filter: filterOf(flags), cursor, pageSize });
    yield* page.events;
    if (page.events.length === 0) return;
    left -= page.events.length;
    cursor = page.nextCursor;
  }
}

function eventLine({ time, type, subjectId, data }: Event): string {
  const details = Object.entries(data ?? {}).map(
    ([name, value]) => `${name}=${JSON.stringify(value)}`,
  );
  return `${[instant(time), type, subjectId, ...details].map((part) => visible(part ?? "")).join("  ")}\n`;
}
