import { Argument, type Command } from "commander";
import type { CommandEntry } from "../command-module.ts";
import { bashScript, type CommandWords, fishScript, zshScript } from "../completion-scripts.ts";
import type { CommandContext } from "../context.ts";
import { createCommand } from "../define-command.ts";

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

const DESCRIPTION = `Prints a script that lets a shell complete commands and options.

  bash: hodei completion bash > ~/.local/share/bash-completion/completions/hodei
  zsh:  hodei completion zsh > "\${fpath[1]}/_hodei"
  fish: hodei completion fish > ~/.config/fish/completions/hodei.fish`;

export function define(
  context: CommandContext,
  _args: readonly string[],
  commands: readonly CommandEntry[],
): Command {
  const shells = Object.keys(SCRIPTS);
  return createCommand("completion", DESCRIPTION, context)
    .addArgument(new Argument("<shell>", "your shell").choices(shells))
    .action(async (shell: keyof typeof SCRIPTS) => {
      await context.stdout.write(SCRIPTS[shell](await readCommandWords(context, commands)));
    });
}

/** Every command with its subcommands and options, as their definitions have them. */
async function readCommandWords(
  context: CommandContext,
  commands: readonly CommandEntry[],
): Promise<readonly CommandWords[]> {
  return Promise.all(
    commands.map(async ({ name, summary, load }) => {
      const command = await (await load()).define(context, [], commands);
      return { ...toWords(command), name, summary };
    }),
  );
}

function toWords(command: Command): CommandWords {
  return {
    name: command.name(),
    summary: firstSentence(command.description()),
    options: command.options
      .filter(({ hidden, long }) => !hidden && long)
      .map((option) => ({
        name: option.long ?? "",
        summary: option.description,
        values: option.argChoices ?? [],
        takesFile: option.required && /<file>|<folder>/.test(option.flags),
      })),
    commands: command.commands.map(toWords),
    values: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
  };
}

const firstSentence = (text: string): string => text.split(/\.\s|\.$|;/, 1)[0] ?? "";
