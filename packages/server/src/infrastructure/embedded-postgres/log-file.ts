import { constants, type FileHandle, open, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { giveTo, type RunAs } from "./database-user.ts";
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

/** Not through a link: the folder may be another user's while we are root. */
const APPEND = constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY | constants.O_NOFOLLOW;

const TAIL_BYTES_MAX = 8 * 1024;
const TAIL_LINES_MAX = 12;

/**
 * The file belongs to the account `runAs`, so that it can go on with it if we are not root next
 * time.
 */
export function logFileIn(home: string, runAs: RunAs): LogFile {
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
    readTail: (offset) => readTail(path, offset),
    async openForAppend() {
      const file = await open(path, APPEND, 0o600);
      await giveTo(runAs, path);
      return file;
    },
    async rotateIfLarge() {
      if ((await sizeBytes()) < LOG_BYTES_MAX) return;
      const file = await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
      try {
        await keepCopy(file, `${path}.1`, runAs);
        // PostgreSQL keeps the file open, so it cannot be renamed; appending goes on at its new end.
        await file.truncate();
      } finally {
        await file.close();
      }
    },
  };
}

async function keepCopy(file: FileHandle, target: string, runAs: RunAs): Promise<void> {
  await rm(target, { force: true });
  try {
    const copy = await open(target, "wx", 0o600);
    await pipeline(file.createReadStream({ autoClose: false }), copy.createWriteStream());
    await giveTo(runAs, target);
  } catch (error) {
    if (!isSystemError(error, "ENOSPC")) throw error;
    await rm(target, { force: true }); // on a full disk the bound counts more than old lines
  }
}

async function readTail(path: string, offset: number): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
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
