import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { CommandContext } from "./context.ts";
import { CommandError, describeSystemError } from "./errors.ts";

/** What a job may carry of one input: the contract's limit for a script and for standard input. */
export const INPUT_MAX_BYTES = 1024 * 1024;

/**
 * The bytes of a file, or of this process's standard input for `-`.
 * @throws CommandError if it cannot be read or is longer than `maxBytes`
 */
export async function readInput(
  file: string,
  context: Pick<CommandContext, "cwd" | "stdin">,
  maxBytes: number,
): Promise<Uint8Array> {
  const name = file === "-" ? "standard input" : file;
  const source = file === "-" ? context.stdin : createReadStream(resolve(context.cwd, file));
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const piece of source) {
      const bytes = typeof piece === "string" ? Buffer.from(piece) : piece;
      pieces.push(bytes);
      length += bytes.length;
      if (length > maxBytes) break;
    }
  } catch (error) {
    throw new CommandError(`cannot read ${name}: ${describeSystemError(error)}`, { cause: error });
  }
  if (length > maxBytes) {
    throw new CommandError(`${name} is longer than ${maxBytes} bytes`, {
      next: "put it where the worker can fetch it, and let the job do so",
    });
  }
  return Buffer.concat(pieces);
}

/** As `readInput`, for text. @throws CommandError also if it is not UTF-8 */
export async function readText(
  file: string,
  context: Pick<CommandContext, "cwd" | "stdin">,
  maxBytes: number,
): Promise<string> {
  const bytes = await readInput(file, context, maxBytes);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    const name = file === "-" ? "standard input" : file;
    throw new CommandError(`${name} is not text in UTF-8`, { cause: error });
  }
}

/** Whether `file` is there and is a regular file or a pipe. */
export async function isReadable(file: string, cwd: string): Promise<boolean> {
  const stats = await stat(resolve(cwd, file)).catch(() => undefined);
  return stats !== undefined && !stats.isDirectory();
}
