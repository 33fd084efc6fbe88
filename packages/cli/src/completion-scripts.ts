/** What a shell can complete of a command. */
export interface CommandWords {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly OptionWords[];
  readonly commands: readonly CommandWords[];
  /** What its argument may be, if that is a closed set. */
  readonly values: readonly string[];
}

export interface OptionWords {
  readonly name: string;
  readonly summary: string;
  /** What its value may be, if that is a closed set. */
  readonly values: readonly string[];
  readonly takesFile: boolean;
}

/** A completion script for bash. */
export function bashScript(commands: readonly CommandWords[]): string {
  const cases = places(commands)
    .map(({ path, words }) => `    ${shellQuote(path)}) words=${shellQuote(words.join(" "))} ;;`)
    .join("\n");
  const values = optionValues(commands)
    .map(({ name, values: choices }) => `    ${name}) words=${shellQuote(choices.join(" "))} ;;`)
    .join("\n");
  return `# bash completion for hodei
_hodei() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} place='' word words=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word == -- ]] && return
    [[ $word == -* || $place == *' '* ]] && continue
    place=\${place:+$place }$word
  done
  case $prev in
${values}
  esac
  [[ -z $words ]] && case $place in
${cases}
  esac
  [[ -z $words ]] && case \${place%% *} in
${cases}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -o default -F _hodei hodei
`;
}

/** A completion script for zsh. */
export function zshScript(commands: readonly CommandWords[]): string {
  const blocks = commands.map(zshCommand).join("\n");
  const list = commands.map(({ name, summary }) => `    ${zshItem(name, summary)}`).join("\n");
  return `#compdef hodei
# zsh completion for hodei
_hodei() {
  local -a commands=(
${list}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case $words[2] in
${blocks}
  esac
}
_hodei "$@"
`;
}

function zshCommand({ name, commands, options, values }: CommandWords): string {
  if (commands.length === 0) {
    return `    ${name}) _arguments ${zshArguments(options, values)} ;;`;
  }
  const list = commands.map((inner) => zshItem(inner.name, inner.summary)).join(" ");
  const inner = commands
    .map(
      (command) =>
        `        ${command.name}) _arguments ${zshArguments(command.options, command.values)} ;;`,
    )
    .join("\n");
  return `    ${name})
      local -a inner=(${list})
      if (( CURRENT == 3 )); then
        _describe command inner
        return
      fi
      case $words[3] in
${inner}
      esac ;;`;
}

function zshArguments(options: readonly OptionWords[], values: readonly string[]): string {
  const parts = options.map(({ name, summary, values: choices, takesFile }) => {
    const value =
      choices.length > 0 ? `:value:(${choices.join(" ")})` : takesFile ? ":file:_files" : "";
    return shellQuote(`*${name}[${summary.replace(/[[\]:\\]/g, "\\$&")}]${value}`);
  });
  parts.push(
    values.length > 0 ? shellQuote(`*:value:(${values.join(" ")})`) : shellQuote("*:file:_files"),
  );
  return parts.join(" ");
}

const zshItem = (name: string, summary: string): string =>
  shellQuote(`${name}:${summary.replace(/[:\\]/g, "\\$&")}`);

/** A completion script for fish. */
export function fishScript(commands: readonly CommandWords[]): string {
  const lines = commands.flatMap((command) => {
    const isHere = `__fish_seen_subcommand_from ${command.name}`;
    const innerNames = command.commands.map(({ name }) => name).join(" ");
    return [
      `complete -c hodei -f -n __fish_use_subcommand -a ${command.name} -d ${fishQuote(command.summary)}`,
      ...fishOptions(command, isHere),
      ...command.commands.flatMap((inner) => [
        `complete -c hodei -f -n ${fishQuote(`${isHere}; and not __fish_seen_subcommand_from ${innerNames}`)} -a ${inner.name} -d ${fishQuote(inner.summary)}`,
        ...fishOptions(inner, `${isHere}; and __fish_seen_subcommand_from ${inner.name}`),
      ]),
    ];
  });
  return `# fish completion for hodei\n${lines.join("\n")}\n`;
}

function fishOptions({ options, values }: CommandWords, condition: string): string[] {
  const lines = options.map(({ name, summary, values: choices, takesFile }) => {
    const value =
      choices.length > 0 ? ` -x -a ${fishQuote(choices.join(" "))}` : takesFile ? " -r -F" : "";
    return `complete -c hodei -n ${fishQuote(condition)} -l ${name.slice(2)}${value} -d ${fishQuote(summary)}`;
  });
  if (values.length > 0) {
    lines.push(`complete -c hodei -f -n ${fishQuote(condition)} -a ${fishQuote(values.join(" "))}`);
  }
  return lines;
}

/** Every place on a command line and the words that may come there. */
function places(commands: readonly CommandWords[]): { path: string; words: readonly string[] }[] {
  const wordsOf = ({ options, commands: inner, values }: CommandWords): string[] => [
    ...inner.map(({ name }) => name),
    ...values,
    ...options.map(({ name }) => name),
  ];
  return [
    { path: "", words: commands.map(({ name }) => name) },
    ...commands.flatMap((command) => [
      { path: command.name, words: wordsOf(command) },
      ...command.commands.map((inner) => ({
        path: `${command.name} ${inner.name}`,
        words: wordsOf(inner),
      })),
    ]),
  ];
}

/** Options whose value is of a closed set; the same name means the same set everywhere. */
function optionValues(commands: readonly CommandWords[]): readonly OptionWords[] {
  const all = commands.flatMap(({ options, commands: inner }) => [
    ...options,
    ...inner.flatMap((command) => command.options),
  ]);
  const named = new Map(
    all.filter(({ values }) => values.length > 0).map((option) => [option.name, option]),
  );
  return [...named.values()];
}

const shellQuote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

const fishQuote = (text: string): string => `'${text.replace(/[\\']/g, "\\$&")}'`;
