import type { Command } from "commander";
import type { CommandContext } from "../context.ts";
import type { OutputFlags } from "../define-command.ts";
import { type OutputFormat, print } from "../output/format.ts";
import { readVersion } from "../version.ts";

/** Plain `hodei version` needs neither parser nor client, so it does not load them. */
export async function runAtOnce(
  args: readonly string[],
  context: CommandContext,
): Promise<boolean> {
  if (args.length > 0) return false;
  await printVersion(context, "text");
  return true;
}

export async function define(context: CommandContext): Promise<Command> {
  const { createCommand, withOutputOption } = await import("../define-command.ts");
  return withOutputOption(createCommand("version", "Prints the version.", context)).action(
    ({ output }: OutputFlags) => printVersion(context, output),
  );
}

function printVersion(context: CommandContext, format: OutputFormat): Promise<void> {
  const version = readVersion();
  return print(context, format, {
    data: () => ({ version, node: process.versions.node }),
    text: () => `hodei ${version}\n`,
  });
}
