import { LogChunkSchema, LogStream } from "@hodei/proto/hodei/v1/log_service";
import { type LogPiece, messageToJson, tailLogs } from "@hodei/sdk";
import { type Command, Option } from "commander";
import { type CommandContext, type ConnectionFlags, withConnection } from "../context.ts";
import {
  createCommand,
  type OutputFlags,
  parsedBy,
  withConnectionOptions,
  withOutputOption,
} from "../define-command.ts";
import { printEntry } from "../output/format.ts";
import { missingText } from "../output/missing-text.ts";
import { notice } from "../output/notice.ts";
import { defined } from "../values/defined.ts";
import { parseId, wholeNumber } from "../values/scalars.ts";

interface Flags extends ConnectionFlags, OutputFlags {
  readonly follow?: true;
  readonly skip?: true;
  readonly tail?: number;
  readonly stream?: "stdout" | "stderr";
  readonly attempt?: number;
}

/** Most lines that a tail may start before the end; the contract's limit. */
const TAIL_MAX_LINES = 100_000;

const DESCRIPTION = `Prints what a job wrote: its standard output to standard output, its standard error to standard
error, byte for byte. Without --attempt, all attempts one after another.`;

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
    .option("--attempt <number>", "only this attempt", parsedBy(wholeNumber(1, 1000)))
    .addOption(new Option("--stream <name>", "only this stream").choices(["stdout", "stderr"]));
  return withOutputOption(withConnectionOptions(command)).action((id: string, flags: Flags) =>
    printLogs(id, flags, context),
  );
}

async function printLogs(jobId: string, flags: Flags, context: CommandContext): Promise<void> {
  const request = {
    jobId,
    follow: flags.follow ?? false,
    lossy: flags.skip ?? false,
    ...defined({
      attempt: flags.attempt,
      tailLines: flags.tail,
      stream: flags.stream && STREAMS[flags.stream],
    }),
  };
  await withConnection(context, flags, async ({ client }) => {
    for await (const piece of tailLogs(client, request)) {
      if (flags.output === "text") await copy(piece, context);
      else await printEntry(context, flags.output, asPrintable(piece));
    }
  });
}

const STREAMS = { stdout: LogStream.STDOUT, stderr: LogStream.STDERR } as const;

async function copy({ chunk }: LogPiece, context: CommandContext): Promise<void> {
  if (chunk.gapBytes > 0n) await notice(context, missingText(chunk));
  const output = chunk.stream === LogStream.STDERR ? context.stderr : context.stdout;
  if (chunk.data.length > 0) await output.write(chunk.data);
}

function asPrintable({ attempt, chunk }: LogPiece) {
  const data = () => ({ attempt, ...(messageToJson(LogChunkSchema, chunk) as object) });
  return { data, text: () => "" };
}
