import { LogChunkSchema, LogStream } from "@hodei/proto/hodei/v1/log_service";
import { type LogPiece, messageToJson, tailLogs, timestampFromDate } from "@hodei/sdk";
import { type Command, Option } from "commander";
import { type CommandContext, type ConnectionFlags, withConnection } from "../context.ts";
import {
  createCommand,
  type OutputFlags,
  parsedBy,
  withConnectionOptions,
  withOutputOption,
} from "../define-command.ts";
import { UsageError } from "../errors.ts";
import { printEntry } from "../output/format.ts";
import { LineNumbers, type NumberedPiece, withNumbers } from "../output/line-numbers.ts";
import { missingText } from "../output/missing-text.ts";
import { notice } from "../output/notice.ts";
import { defined } from "../values/defined.ts";
import { type LineRange, parseLineRange } from "../values/line-range.ts";
import { parseId, parseSince, wholeNumber } from "../values/scalars.ts";

interface Flags extends ConnectionFlags, OutputFlags {
  readonly follow?: true;
  readonly skip?: true;
  readonly tail?: number;
  readonly since?: ReturnType<typeof parseSince>;
  readonly lines?: LineRange;
  readonly number?: true;
  readonly stream?: "stdout" | "stderr";
  readonly attempt?: number;
}

/** Most lines that a tail may start before the end; the contract's limit. */
const TAIL_MAX_LINES = 100_000;

const DESCRIPTION = `Prints what a job wrote: its standard output to standard output, its standard error to standard
error, byte for byte. Without --attempt, all attempts one after another. Of --tail, --since and --lines give one.`;

export function define(context: CommandContext): Command {
  const command = createCommand("logs", DESCRIPTION, context)
    .argument("<id>", "id of the job", parsedBy(parseId))
    .option("-f, --follow", "go on until the job has ended")
    .option("--skip", "when the output is far ahead of its reader, go on near its end")
    .option(
      "--tail <lines>",
      "start so many lines before the end of the latest attempt",
      parsedBy(wholeNumber(0, TAIL_MAX_LINES)),
    )
    .option(
      "--since <time>",
      "start with what was written since then: 10m, 2h, or 2026-01-31T08:00:00Z",
      parsedBy(parseSince),
    )
    .option(
      "--lines <range>",
      "only these lines of the latest attempt: 17, 17..40, 17.. or ..40",
      parsedBy(parseLineRange),
    )
    .option("-n, --number", "number the lines of each attempt")
    .option("--attempt <number>", "only this attempt", parsedBy(wholeNumber(1, 1000)))
    .addOption(new Option("--stream <name>", "only this stream").choices(["stdout", "stderr"]));
  return withOutputOption(withConnectionOptions(command)).action((id: string, flags: Flags) =>
    printLogs(id, flags, context),
  );
}

async function printLogs(jobId: string, flags: Flags, context: CommandContext): Promise<void> {
  checkStart(flags);
  const request = {
    jobId,
    follow: flags.follow ?? false,
    lossy: flags.skip ?? false,
    ...defined({
      attempt: flags.attempt,
      tailLines: flags.tail,
      line: flags.lines && BigInt(flags.lines.first),
      since: flags.since && timestampFromDate(flags.since(context.now())),
      stream: flags.stream && STREAMS[flags.stream],
    }),
  };
  const isCounted = flags.lines !== undefined || flags.number === true;
  const numbers = new LineNumbers(flags.lines?.last);
  await withConnection(context, flags, async ({ client }) => {
    for await (const piece of tailLogs(client, request)) {
      const shown = isCounted ? numbers.take(piece) : piece;
      if (flags.output !== "text") await printEntry(context, flags.output, asPrintable(shown));
      else await copy(flags.number ? numbered(shown) : shown, context);
      if (numbers.isOver) return;
    }
  });
}

/** @throws UsageError for more than one place to begin at */
function checkStart({ tail, since, lines }: Flags): void {
  const given = [tail, since, lines].filter((start) => start !== undefined);
  if (given.length > 1) throw new UsageError("--tail, --since and --lines exclude each other");
}

function numbered(piece: LogPiece | NumberedPiece): LogPiece {
  if (!("line" in piece)) return piece;
  return { ...piece, chunk: { ...piece.chunk, data: withNumbers(piece) } };
}

const STREAMS = { stdout: LogStream.STDOUT, stderr: LogStream.STDERR } as const;

async function copy({ chunk }: LogPiece, context: CommandContext): Promise<void> {
  if (chunk.gapBytes > 0n) await notice(context, missingText(chunk));
  const output = chunk.stream === LogStream.STDERR ? context.stderr : context.stdout;
  if (chunk.data.length > 0) await output.write(chunk.data);
}

function asPrintable(piece: LogPiece | NumberedPiece) {
  const { attempt, chunk } = piece;
  const place = "line" in piece ? { attempt, line: piece.line } : { attempt };
  const data = () => ({ ...place, ...(messageToJson(LogChunkSchema, chunk) as object) });
  return { data, text: () => "" };
}
