import { access, chmod, constants, mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import type { Environment } from "../context.ts";
import { CommandError, describeSystemError } from "../errors.ts";

/** Files of a data folder that the command line knows. */
export const STACK_FILE = "stack.json";
export const LOG_FILE = "server.log";

/** Where the local stack keeps its data: HODEI_DATA_DIR, else `hodei` in the user's data folder. */
export function dataFolder(env: Environment, cwd: string): string {
  if (env.HODEI_DATA_DIR) return resolve(cwd, env.HODEI_DATA_DIR);
  const xdg = env.XDG_DATA_HOME;
  const base = xdg && isAbsolute(xdg) ? xdg : join(env.HOME || homedir(), ".local", "share");
  return join(base, "hodei");
}

/**
 * Creates the folder, open to its owner only. Root's may be passed through, because PostgreSQL does not run as root and
 * its data lie deeper; what is in it is still closed. @throws CommandError if it cannot be created or written
 */
export async function prepareDataFolder(folder: string): Promise<void> {
  try {
    const mode = process.getuid?.() === 0 ? 0o711 : 0o700;
    const created = await mkdir(folder, { recursive: true, mode });
    // The mode of `mkdir` is subject to the umask, and a folder from before keeps its own.
    if (created !== undefined) await chmod(folder, mode);
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw notWritable(folder, error);
  }
}

/** What to tell the user when a file of the data folder cannot be written. */
export function notWritable(folder: string, error: unknown): CommandError {
  return new CommandError(
    `cannot write to the data folder ${folder}: ${describeSystemError(error)}`,
    { next: "make room or make it writable, or choose another with HODEI_DATA_DIR", cause: error },
  );
}
