import type { Command } from "commander";
import type { CommandContext } from "../context.ts";
import { createCommand } from "../define-command.ts";
import { dataFolder } from "../local-stack/data-folder.ts";
import { reviveKilledStack, stopLocalStack } from "../local-stack/stop-local-stack.ts";
import { notice } from "../output/notice.ts";

const DESCRIPTION = `Stops the local stack. Its data are kept: jobs that wait go on after the next start.

Running jobs keep it from being stopped, unless they are cancelled with --force. A stack that was killed is
started once more, to end in order what it has left.`;

export function define(context: CommandContext): Command {
  return createCommand("down", DESCRIPTION, context)
    .option("--force", "cancel running jobs first, and stop a stack that does not answer")
    .action(async ({ force }: { readonly force?: true }) => {
      const folder = dataFolder(context.env, context.cwd);
      await reviveKilledStack(context);
      const stopped = await stopLocalStack(folder, { force: force ?? false });
      const what = stopped === undefined ? "no local stack runs" : "the local stack has stopped";
      await notice(context, `${what} (data in ${folder})`);
    });
}
