import type { CommandContext } from "../context.ts";

/** Tells a person something beside the output of the command. Nobody may be listening: that is no failure. */
export async function notice(
  context: Pick<CommandContext, "stderr">,
  message: string,
): Promise<void> {
  await context.stderr.write(`hodei: ${message}\n`).catch(() => {});
}
