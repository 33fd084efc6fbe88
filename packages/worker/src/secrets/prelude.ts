import type { AttemptCommand } from "../attempt-command.ts";

/** Where the prelude reads: the first descriptor after the standard ones. Closed before the command starts. */
export const PRELUDE_FD = 3;

/**
 * Turns off core dumps, which would write secrets to disk; then makes a variable of each line that it is sent, and
 * becomes the command. What it is sent is code of `preludeInput`. POSIX sh, builtins only: the command may bring a `PATH`
 * of its own. Its own variables are of the reserved `HODEI_` names and do not reach the command.
 */
const PRELUDE = `ulimit -c 0
HODEI_NEWLINE='
'
while IFS= read -r HODEI_LINE; do eval "$HODEI_LINE"; done <&${PRELUDE_FD}
exec ${PRELUDE_FD}<&-
unset HODEI_NEWLINE HODEI_LINE
exec "$@"`;

const QUOTE = "'".charCodeAt(0);
const NEWLINE = "\n".charCodeAt(0);
const QUOTED_QUOTE = Buffer.from(`'\\''`);
const QUOTED_NEWLINE = Buffer.from(`'"$HODEI_NEWLINE"'`);

/** `command` behind the prelude; same process, so same process id. */
export function withPrelude({ file, args }: AttemptCommand): AttemptCommand {
  return { file: "/bin/sh", args: ["-c", PRELUDE, "hodei-prelude", file, ...args] };
}

/**
 * What the prelude is to read: one line for each variable. Any byte but NUL comes through as it is. The caller zeroes the
 * result after use; nothing here copies a value into a string, which cannot be zeroed.
 */
export function preludeInput(
  variables: readonly { readonly name: string; readonly value: Uint8Array }[],
): Uint8Array {
  const lines = variables.map(({ name, value }) => toLine(name, value));
  const input = Buffer.concat(lines);
  for (const line of lines) line.fill(0);
  return input;
}

function toLine(name: string, value: Uint8Array): Buffer {
  const start = Buffer.from(`export ${name}='`);
  const end = Buffer.from("'\n");
  const line = Buffer.alloc(start.length + quotedLength(value) + end.length);
  let position = start.copy(line);
  for (const byte of value) {
    if (byte === QUOTE) position += QUOTED_QUOTE.copy(line, position);
    else if (byte === NEWLINE) position += QUOTED_NEWLINE.copy(line, position);
    else position = line.writeUInt8(byte, position);
  }
  end.copy(line, position);
  return line;
}

function quotedLength(value: Uint8Array): number {
  let length = value.length;
  for (const byte of value) {
    if (byte === QUOTE) length += QUOTED_QUOTE.length - 1;
    else if (byte === NEWLINE) length += QUOTED_NEWLINE.length - 1;
  }
  return length;
}
