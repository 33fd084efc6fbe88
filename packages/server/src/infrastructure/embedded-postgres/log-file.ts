import { constants, copyFile, type FileHandle, open, rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { isSystemError } from "./embedded-postgres-error.ts";

/**
 * PostgreSQL's log: `postgres.log` in the data folder's real place, which PostgreSQL appends to.
 *
 * Bound: at `LOG_BYTES_MAX` it becomes `postgres.log.1`, in place of the one before. That is looked at
 * once a minute and at each start, so what an unlucky minute writes comes on top. While no server
 * owns the database nobody looks, but then nobody uses it either.
 */
export interface LogFile {
  /** To hand to PostgreSQL as its output; the caller closes it after that. */
  openForAppend(): Promise<FileHandle>;
  sizeBytes(): Promise<number>;
  /** The last lines, at most, that were written from `offset` on. */
  readTail(offset: number): Promise<string>;
  rotateIfLarge(): Promise<void>;
}

const LOG_BYTES_MAX = 16 * 1024 * 1024;
/** How often to call `rotateIfLarge`. */
export const LOG_CHECK_INTERVAL_MS = 60_000;

const TAIL_BYTES_MAX = 8 * 1024;
const TAIL_LINES_MAX = 12;

export function logFileIn(home: string): LogFile {
  const path = join(home, "postgres.log");
  const sizeBytes = async (): Promise<number> => {
    try {
      return (await stat(path)).size;
    } catch (error) {
      if (isSystemError(error, "ENOENT")) return 0;
      throw error;
    }
  };
  return {
    sizeBytes,
    openForAppend: () => open(path, "a", 0o600),
    readTail: (offset) => readTail(path, offset),
    async rotateIfLarge() {
      if ((await sizeBytes()) < LOG_BYTES_MAX) return;
      // PostgreSQL keeps the file open, so it cannot be renamed; appending goes on at its new end.
      try {
        await copyFile(path, `${path}.1`, constants.COPYFILE_FICLONE);
      } catch (error) {
        if (!isSystemError(error, "ENOSPC")) throw error;
        await rm(`${path}.1`, { force: true }); // on a full disk the bound counts more than old lines
      }
      await truncate(path);
    },
  };
}

async function readTail(path: string, offset: number): Promise<string> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const from = Math.max(offset, size - TAIL_BYTES_MAX);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(TAIL_BYTES_MAX), { position: from });
    return lastLines(buffer.toString("utf8", 0, bytesRead));
  } finally {
    await file.close();
  }
}

/** The last lines of `output`, enough to see why a program gave up. */
export function lastLines(output: string): string {
  return output.trimEnd().split("\n").slice(-TAIL_LINES_MAX).join("\n");
}
