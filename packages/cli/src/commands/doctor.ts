import type { Command } from "commander";
import type { CommandContext, ConnectionFlags } from "../context.ts";
import {
  createCommand,
  type OutputFlags,
  withConnectionOptions,
  withOutputOption,
} from "../define-command.ts";
import { examine, type Finding } from "../doctor.ts";
import { print } from "../output/format.ts";
import { painter, type Style, visible } from "../output/text.ts";

type Flags = ConnectionFlags & OutputFlags;

const DESCRIPTION = `Checks that everything Hodei needs is in order, and says what to do where it is not. Exits with 1 if
something fails. Without a configured server it starts the local stack.`;

/** Width of the longest name of a check. */
const NAME_WIDTH = 11;

export function define(context: CommandContext): Command {
  return withOutputOption(
    withConnectionOptions(createCommand("doctor", DESCRIPTION, context)),
  ).action((flags: Flags) => runDoctor(flags, context));
}

async function runDoctor(flags: Flags, context: CommandContext): Promise<void> {
  const findings: Finding[] = [];
  for await (const finding of examine(flags, context)) {
    findings.push(finding);
    // A check may take its time, so people see each when it is done.
    if (flags.output === "text") await context.stdout.write(findingLine(finding, context));
  }
  if (flags.output !== "text") {
    await print(context, flags.output, { data: () => findings, text: () => "" });
  }
  if (findings.some(({ level }) => level === "fail")) context.exitCode = 1;
}

const STYLES: Readonly<Record<Finding["level"], Style>> = {
  ok: "green",
  warn: "yellow",
  fail: "red",
};

function findingLine({ check, level, message, next }: Finding, context: CommandContext): string {
  const paint = painter(context);
  const advice = next === undefined ? "" : `; ${next}`;
  return `${paint(STYLES[level], level.padEnd(4))}  ${check.padEnd(NAME_WIDTH)}  ${visible(message + advice)}\n`;
}
