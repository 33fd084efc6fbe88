import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import type { CommandContext } from "./context.ts";
import { UsageError } from "./errors.ts";
import { OUTPUT_FORMATS, type OutputFormat } from "./output/format.ts";
import { InvalidValue } from "./values/invalid-value.ts";

export interface OutputFlags {
  readonly output: OutputFormat;
}

/** A command whose failures are thrown. Commands inside it, made with its `command()`, take over its settings. */
export function createCommand(
  name: string,
  summary: string,
  context: Pick<CommandContext, "stdout">,
): Command {
  return new Command(`hodei ${name}`)
    .description(summary)
    .helpOption("-h, --help", "show this help")
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      // What commander would print is printed by `runDefined`, which can wait for it.
      writeOut: () => {},
      writeErr: () => {},
      getOutHelpWidth: () => context.stdout.columns ?? 100,
      getOutHasColors: () => false,
    });
}

/** Options that choose the server. */
export function withConnectionOptions(command: Command): Command {
  return command
    .option("--server <url>", "server to use (HODEI_SERVER); default: the local stack")
    .option("--token-file <file>", "file with the access token (HODEI_TOKEN_FILE, HODEI_TOKEN)");
}

/** The option that chooses the form of printed data. */
export function withOutputOption(command: Command): Command {
  return command.addOption(
    new Option("-o, --output <format>", "form of the output")
      .choices(OUTPUT_FORMATS)
      .default("text"),
  );
}

/** A parser of the kind that throws `InvalidValue`, for an option or an argument. */
export function parsedBy<Value>(parse: (text: string) => Value): (text: string) => Value {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      // biome-ignore lint/style/useErrorCause: commander's error takes no cause, and the message says it all
      if (error instanceof InvalidValue) throw new InvalidArgumentError(error.message);
      throw error;
    }
  };
}

/** As `parsedBy`, for an option that may be repeated: collects the values in their order. */
export function collectedBy<Value>(
  parse: (text: string) => Value,
): (text: string, before: readonly Value[] | undefined) => readonly Value[] {
  const parseOne = parsedBy(parse);
  return (text, before = []) => [...before, parseOne(text)];
}

/** Parses `args` and runs the action they choose. Prints help where it was asked for. @throws UsageError */
export async function runDefined(
  command: Command,
  args: readonly string[],
  context: CommandContext,
): Promise<void> {
  try {
    await command.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const path = commandPath(command, args);
    if (error.code === "commander.helpDisplayed") {
      return context.stdout.write((path.at(-1) ?? command).helpInformation());
    }
    throw toUsageError(error, path);
  }
}

/** `command` and the commands inside it that `args` begin with. */
function commandPath(command: Command, [word, ...rest]: readonly string[]): readonly Command[] {
  const inner = command.commands.find((candidate) => candidate.name() === word);
  return inner === undefined ? [command] : [command, ...commandPath(inner, rest)];
}

function toUsageError(error: CommanderError, commands: readonly Command[]): UsageError {
  const path = commands.map((command) => command.name()).join(" ");
  const options = { next: `see: ${path} --help` };
  if (error.code === "commander.help") {
    const inner = commands.at(-1)?.commands ?? [];
    const names = inner.map((candidate) => candidate.name()).join(", ");
    return new UsageError(`${path} needs a command: ${names}`, options);
  }
  const message = error.message
    .replace(/^error: /, "")
    .replace(/^option '([^']+)' argument '.*' is invalid\. /s, "$1: ")
    .replace(/^command-argument value '.*' is invalid for argument '([^']+)'\. /s, "<$1>: ")
    .replace(/\n\(Did you mean ([^)]*)\)$/, " (did you mean $1)");
  return new UsageError(message, options);
}
