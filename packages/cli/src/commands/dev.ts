import { resolve } from "node:path";
import { type Command, Option } from "commander";
import type { CommandContext } from "../context.ts";
import { createCommand, parsedBy } from "../define-command.ts";
import { dataFolder } from "../local-stack/data-folder.ts";
import { type LogLevel, serveLocalStack } from "../local-stack/serve.ts";
import { parseDuration } from "../values/duration.ts";
import { wholeNumber } from "../values/scalars.ts";

interface Flags {
  readonly dataDir?: string;
  readonly port: number;
  readonly idleExit?: number;
  readonly logLevel?: LogLevel;
  readonly background?: true;
}

/** A stack that commands started stops after so long without work. */
const BACKGROUND_IDLE_EXIT_MS = 5 * 60_000;

const DESCRIPTION = `Runs the local stack in the foreground: PostgreSQL, server and worker, all for this user on this
machine. Commands use it as they use the one that they start themselves. Ctrl-C stops it.`;

export function define(context: CommandContext): Command {
  return createCommand("dev", DESCRIPTION, context)
    .option("--data-dir <folder>", "where to keep the data (HODEI_DATA_DIR)")
    .option(
      "--port <number>",
      "port of the API; default: a free one",
      parsedBy(wholeNumber(0, 65_535)),
      0,
    )
    .option("--idle-exit <duration>", "stop after so long without work", parsedBy(parseDuration))
    .addOption(
      new Option("--log-level <level>", "what to log; default: warn").choices([
        "debug",
        "info",
        "warn",
        "error",
      ]),
    )
    .addOption(new Option("--background").hideHelp())
    .action((flags: Flags) => runDev(flags, context));
}

async function runDev(flags: Flags, context: CommandContext): Promise<void> {
  const isBackground = flags.background ?? false;
  context.exitCode = await serveLocalStack(
    {
      folder: flags.dataDir
        ? resolve(context.cwd, flags.dataDir)
        : dataFolder(context.env, context.cwd),
      port: flags.port,
      idleExitMs: flags.idleExit ?? (isBackground ? BACKGROUND_IDLE_EXIT_MS : undefined),
      logLevel: flags.logLevel ?? (isBackground ? "info" : "warn"),
    },
    context,
  );
}
