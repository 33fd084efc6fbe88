import type { AttemptCommand } from "../attempt-command.ts";

/** Where the prelude reads what it is to become: the first descriptor after the standard ones. */
export const PRELUDE_FD = 3;
/** What the prelude says there once it is where it belongs and waits. */
export const READY = "ready\n";

/**
 * Joins the control groups whose `cgroup.procs` are its arguments, says so, and then does line by line what it is sent:
 * code of `preludeInput`, whose last line names the command that it becomes. Without that line, because the worker died,
 * it ends. No core dumps: they would write secrets to disk. The file mode mask does not depend on who started the worker;
 * what is private lies in a private directory. POSIX sh, builtins only: the command may bring a `PATH` of its own. Its own
 * variables are of the reserved `HODEI_` names and do not reach the command.
 */
const PRELUDE = `umask 022
ulimit -c 0
for HODEI_GROUP do echo 0 > "$HODEI_GROUP" || exit 125; done
echo ready >&${PRELUDE_FD}
set --
HODEI_NEWLINE='
'
while IFS= read -r HODEI_LINE <&${PRELUDE_FD}; do eval "$HODEI_LINE"; done
exec ${PRELUDE_FD}<&-
unset HODEI_GROUP HODEI_NEWLINE HODEI_LINE
[ $# -gt 0 ] || exit 125
exec "$@"`;

/** Names that some shell does not let one set, or does not hand on as they are; env(1) does. */
const SHELL_NAMES =
  /^(?:_|IFS|OPTIND|OPTARG|OPTERR|LINENO|RANDOM|SRANDOM|SECONDS|EPOCH.*|PPID|E?UID|GROUPS|DIRSTACK|FUNCNAME|HIST.*|BASH.*|SHELLOPTS|SHLVL|POSIXLY_CORRECT|COMP_.*|PS[0-4]|MAIL|MAILPATH|MAILCHECK)$/;

const QUOTE = "'".charCodeAt(0);
const NEWLINE = "\n".charCodeAt(0);
const QUOTED_QUOTE = Buffer.from(`'\\''`);
const QUOTED_NEWLINE = Buffer.from(`'"$HODEI_NEWLINE"'`);

export interface Variable {
  readonly name: string;
  readonly value: Uint8Array;
}

/** What the prelude is to become. */
export interface PreludeCommand extends AttemptCommand {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** `undefined`: the standard input that the prelude was started with. */
  readonly stdinPath: string | undefined;
  /** Files that may be open at once, unless the command asks for more. */
  readonly openFiles: number;
  /** A command, with its arguments, that runs the command given to it as further ones. Empty: none. */
  readonly wrapper: readonly string[];
}

/** The prelude as a command; `procsPaths` are of the control groups that it joins. */
export function preludeCommand(procsPaths: readonly string[]): AttemptCommand {
  return { file: "/bin/sh", args: ["-c", PRELUDE, "hodei-prelude", ...procsPaths] };
}

/**
 * What the prelude is to read. Any byte but NUL comes through as it is. `secrets` win over the variables of `command`. The
 * caller zeroes the result after use; nothing here copies a secret into a string, which cannot be zeroed.
 */
export function preludeInput(command: PreludeCommand, secrets: readonly Variable[]): Uint8Array {
  const entries = Object.entries(command.env);
  const special = entries.filter(([name]) => SHELL_NAMES.test(name));
  const env = entries.filter(([name]) => !SHELL_NAMES.test(name));
  const words = [
    ...special.map(([name, value]) => `${name}=${value}`),
    ...command.wrapper,
    command.file,
  ];
  const argv = [...(special.length > 0 ? ["/usr/bin/env"] : []), ...words, ...command.args];
  const lines = [
    // Node.js gives its children as many as there may be at all, with which some programs are slow, or fail.
    Buffer.from(`ulimit -Sn ${command.openFiles} 2>/dev/null || ulimit -Sn "$(ulimit -Hn)"\n`),
    toLine("cd ", Buffer.from(command.cwd), " || exit 125"),
    ...(command.stdinPath === undefined ? [] : [toLine("exec <", Buffer.from(command.stdinPath))]),
    Buffer.from("unset OLDPWD SHLVL\n"),
    ...env.map(([name, value]) => toLine(`export ${name}=`, Buffer.from(value))),
    ...secrets.map(({ name, value }) => toLine(`export ${name}=`, value)),
    toArguments(argv),
  ];
  const input = Buffer.concat(lines);
  for (const line of lines) line.fill(0);
  return input;
}

function toArguments(argv: readonly string[]): Buffer {
  const words = argv.flatMap((word) => [Buffer.from(" "), quote(Buffer.from(word))]);
  return Buffer.concat([Buffer.from("set --"), ...words, Buffer.from("\n")]);
}

function toLine(code: string, value: Uint8Array, rest = ""): Buffer {
  const quoted = quote(value);
  const line = Buffer.concat([Buffer.from(code), quoted, Buffer.from(`${rest}\n`)]);
  quoted.fill(0);
  return line;
}

/** As one word of shell code, on one line. */
function quote(value: Uint8Array): Buffer {
  const word = Buffer.alloc(quotedLength(value) + 2, QUOTE);
  let position = 1;
  for (const byte of value) {
    if (byte === QUOTE) position += QUOTED_QUOTE.copy(word, position);
    else if (byte === NEWLINE) position += QUOTED_NEWLINE.copy(word, position);
    else position = word.writeUInt8(byte, position);
  }
  return word;
}

function quotedLength(value: Uint8Array): number {
  let length = value.length;
  for (const byte of value) {
    if (byte === QUOTE) length += QUOTED_QUOTE.length - 1;
    else if (byte === NEWLINE) length += QUOTED_NEWLINE.length - 1;
  }
  return length;
}
