import type { CommandEntry } from "./command-module.ts";
import { COMMANDS } from "./commands.ts";
import type { CommandContext } from "./context.ts";
import { describeError, exitCodeOfError, UsageError } from "./errors.ts";
import { BrokenPipe } from "./output/output.ts";

/**
 * Runs one command line, without the program's name. Failures go to standard error, in JSON if the command was to
 * print JSON; the exit code is left in `context.exitCode`: 0, 1 for a failure, 2 for wrong usage, 141 if nobody
 * reads the output any more, or what the command sets.
 */
export async function runCli(args: readonly string[], context: CommandContext): Promise<void> {
  try {
    await dispatch(args, context);
  } catch (error) {
    context.exitCode ||= exitCodeOfError(error);
    if (error instanceof BrokenPipe) return;
    // Where standard error is gone as well, the exit code has to do.
    await context.stderr.write(describeError(error, wantedErrorFormat(args))).catch(() => {});
  }
}

async function dispatch(args: readonly string[], context: CommandContext): Promise<void> {
  const [word, ...rest] = args;
  if (word === undefined) {
    await context.stderr.write(helpText());
    context.exitCode = 2;
    return;
  }
  if (word === "--version" || word === "-V") return runCommand(getEntry("version"), rest, context);
  if (word === "help" && rest[0] !== undefined) {
    return runCommand(getEntry(rest[0]), [...rest.slice(1), "--help"], context);
  }
  if (word === "help" || word === "--help" || word === "-h")
    return context.stdout.write(helpText());
  if (word.startsWith("-")) {
    throw new UsageError(`unknown option ${word} before the command`, {
      next: "options follow the command: hodei <command> [options]",
    });
  }
  return runCommand(await findOrSuggest(word), rest, context);
}

async function runCommand(
  entry: CommandEntry,
  args: readonly string[],
  context: CommandContext,
): Promise<void> {
  const command = await entry.load();
  if (await command.runAtOnce?.(args, context)) return;
  const { runDefined } = await import("./define-command.ts");
  try {
    await runDefined(await command.define(context, args, COMMANDS), args, context);
  } catch (error) {
    context.exitCode = exitCodeOfError(error, command.failureExitCode);
    throw error;
  }
}

function getEntry(name: string): CommandEntry {
  const entry = COMMANDS.find((candidate) => candidate.name === name);
  if (entry === undefined) throw unknownCommand(name, "");
  return entry;
}

async function findOrSuggest(name: string): Promise<CommandEntry> {
  const entry = COMMANDS.find((candidate) => candidate.name === name);
  if (entry !== undefined) return entry;
  const { didYouMean } = await import("./suggest.ts");
  throw unknownCommand(
    name,
    didYouMean(
      name,
      COMMANDS.map((candidate) => candidate.name),
    ),
  );
}

const unknownCommand = (name: string, suggestion: string): UsageError =>
  new UsageError(`unknown command ${JSON.stringify(name)}${suggestion}`, {
    next: "see all of them with: hodei help",
  });

/** Whether errors are printed as JSON. The command line may be the error, so it is only skimmed. */
function wantedErrorFormat(args: readonly string[]): "text" | "json" {
  const end = args.indexOf("--");
  const flags = end === -1 ? args : args.slice(0, end);
  const isJson = flags.some(
    (flag, index) =>
      flag === "--output=json" ||
      flag === "-ojson" ||
      ((flag === "--output" || flag === "-o") && flags[index + 1] === "json"),
  );
  return isJson ? "json" : "text";
}

function helpText(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length));
  const lines = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return `Usage: hodei <command> [options]

Runs any job anywhere: hodei run -- ./build.sh

Commands:
${lines.join("\n")}

Help about a command: hodei help <command>
Without a configured server, commands use a local stack of yours, which starts and stops by itself.
`;
}
