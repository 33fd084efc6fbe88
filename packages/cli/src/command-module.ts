import type { Command } from "commander";
import type { CommandContext } from "./context.ts";

/** What the file of a command exports. */
export interface CommandModule {
  /**
   * The command's options, arguments, help and actions.
   * @param args what will be parsed
   * @param commands all commands, this one included
   */
  readonly define: (
    context: CommandContext,
    args: readonly string[],
    commands: readonly CommandEntry[],
  ) => Command | Promise<Command>;
  /** Does the whole command if it can without a parser; else returns `false`. For commands that must start fast. */
  readonly runAtOnce?: (args: readonly string[], context: CommandContext) => Promise<boolean>;
  /** Exit code for a failure that is not wrong usage. Default: 1. */
  readonly failureExitCode?: number;
}

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}
