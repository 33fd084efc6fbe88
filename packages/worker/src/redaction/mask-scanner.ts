/** Starts a line that is a command to the worker and no output: what follows is a value to mask from then on. */
const COMMAND = Buffer.from("::add-mask::");
const LINE_FEED = 0x0a;
/** Short, so that the search for it is fast. */
const LINE_START_OF_COMMAND = Buffer.from("\n::");
const NOTHING = Buffer.alloc(0);

/** Longest value of a mask, in bytes; a longer one is taken out of the output all the same, and refused. */
export const MAX_MASK_BYTES = 4_096;

/** What a stream consists of: output, values to mask, and values that are too long for that. */
export type Item =
  | { readonly kind: "text"; readonly bytes: Uint8Array }
  | { readonly kind: "mask"; readonly value: Uint8Array }
  | { readonly kind: "oversized_mask" };

/**
 * Takes the lines `::add-mask::VALUE` out of one stream, however it is cut into writes. Holds back the beginning of a
 * line for as long as it may be such a command: at most the command and the longest value.
 */
export class MaskScanner {
  #isLineStart = true;
  /** The beginning of a line that is a command so far. */
  #pending: Buffer = NOTHING;
  /** Within the line of a value that is too long. */
  #isOversized = false;

  /** The items that `bytes` completes, in order; texts share memory with it. */
  *write(bytes: Uint8Array): Iterable<Item> {
    let rest = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    if (this.#pending.length > 0) rest = Buffer.concat([this.#pending, rest]);
    this.#pending = NOTHING;
    while (rest.length > 0) {
      if (this.#isOversized) rest = this.#skipLine(rest);
      else if (this.#isLineStart && isCommandSoFar(rest)) rest = yield* this.#readCommand(rest);
      else rest = yield* this.#readText(rest);
    }
  }

  /** The stream has ended: a command needs no line end then. */
  *end(): Iterable<Item> {
    const pending = this.#pending;
    this.#pending = NOTHING;
    if (pending.length === 0) return;
    if (pending.length < COMMAND.length) yield { kind: "text", bytes: pending };
    else yield maskOf(pending.subarray(COMMAND.length));
  }

  /** `line` begins with the command or is the beginning of it. Returns what comes after it. */
  *#readCommand(line: Buffer): Generator<Item, Buffer> {
    const end = line.indexOf(LINE_FEED);
    if (end !== -1) {
      yield maskOf(line.subarray(COMMAND.length, end));
      return line.subarray(end + 1);
    }
    if (line.length > COMMAND.length + MAX_MASK_BYTES) {
      this.#isOversized = true;
      yield { kind: "oversized_mask" };
    } else {
      this.#pending = Buffer.concat([line]);
    }
    return NOTHING;
  }

  /** Up to the next line that may be a command. */
  *#readText(text: Buffer): Generator<Item, Buffer> {
    let found = text.indexOf(LINE_START_OF_COMMAND);
    while (found !== -1 && !isCommandSoFar(text.subarray(found + 1))) {
      found = text.indexOf(LINE_START_OF_COMMAND, found + 1);
    }
    const newline = found === -1 ? findLastLine(text) : found;
    const end = newline === -1 ? text.length : newline + 1;
    this.#isLineStart = newline !== -1;
    yield { kind: "text", bytes: text.subarray(0, end) };
    return text.subarray(end);
  }

  #skipLine(rest: Buffer): Buffer {
    const end = rest.indexOf(LINE_FEED);
    this.#isOversized = end === -1;
    return end === -1 ? NOTHING : rest.subarray(end + 1);
  }
}

/** Whether `line` begins with the command, or the command with `line`. */
function isCommandSoFar(line: Buffer): boolean {
  const bytes = Math.min(line.length, COMMAND.length);
  return COMMAND.compare(line, 0, bytes, 0, bytes) === 0;
}

/** The line feed after which `text` ends like a command begins, or just ends; -1 if there is none. */
function findLastLine(text: Buffer): number {
  const newline = text.lastIndexOf(LINE_FEED);
  return newline !== -1 && isCommandSoFar(text.subarray(newline + 1)) ? newline : -1;
}

function maskOf(value: Buffer): Item {
  return value.length > MAX_MASK_BYTES ? { kind: "oversized_mask" } : { kind: "mask", value };
}
