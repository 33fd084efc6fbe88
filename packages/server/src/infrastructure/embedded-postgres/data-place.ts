import { createHash } from "node:crypto";
import { access, constants, mkdir, mkdtemp, realpath, rename, rmdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { canTraverse, chooseDatabaseUser, findOwner, type RunAs } from "./database-user.ts";
import { embeddedPostgresError, isSystemError } from "./embedded-postgres-error.ts";
import { ensurePrivateFolder, exists, openToGroup } from "./folders.ts";
import type { EmbeddedPostgresLog } from "./log-entry.ts";
import { findRelocated, relocate } from "./relocation.ts";

/** Where everything that belongs to one data folder is. */
export interface DataPlace {
  /** As the caller named it, made absolute: for messages. */
  readonly dataDir: string;
  /**
   * Real folder that holds the rest: `dataDir`, unless the database's account cannot reach that.
   */
  readonly home: string;
  readonly pgdata: string;
  /**
   * Only the database's account and root can enter it; its path leaves room for a socket's name.
   */
  readonly socketFolder: string;
  readonly runAs: RunAs;
}

/** `sun_path` holds 104 bytes on macOS and 108 on Linux, the closing NUL included. */
const SOCKET_PATH_BYTES_MAX = 99;
/** PostgreSQL's and our own sockets have shorter names than this. */
const SOCKET_NAME_BYTES_MAX = 20;
/** Not `os.tmpdir()`: every process must come to the same folder, whatever its TMPDIR. */
const SHORT_FOLDER = "/tmp";

/**
 * Makes the folders of `dataDir` and decides the account PostgreSQL runs under. Safe when several
 * processes do it at once: all come to the same place.
 *
 * @throws PlatformError `data_dir_not_writable`, `start_failed`; errors of the file system as they are.
 */
export async function preparePlace(dir: string, log: EmbeddedPostgresLog): Promise<DataPlace> {
  const dataDir = resolve(dir);
  const chosen = await chooseDatabaseUser(dataDir);
  await ensureDataDir(dataDir, chosen);
  const home = await chooseHome(await realpath(dataDir), chosen, log);
  await access(home, constants.R_OK | constants.W_OK | constants.X_OK);
  const pgdata = join(home, "pgdata");
  // Existing data keeps its account, even if a better one was installed since.
  const runAs = chosen === null ? null : ((await findOwner(pgdata)) ?? chosen);
  if (runAs !== null && !(await canTraverse(runAs, home))) {
    throw embeddedPostgresError(
      "data_dir_not_writable",
      `PostgreSQL runs as user ${runAs.uid}, which cannot reach ${home}: give it the x permission on that ` +
        "folder and those above it, or choose another data folder",
    );
  }
  const socketFolder = socketFolderOf(home);
  await ensurePrivateFolder(socketFolder, runAs);
  return { dataDir, home, pgdata, socketFolder, runAs };
}

/**
 * `socket` in `home`, or a folder with a short name when that would make the sockets' paths too
 * long.
 */
export function socketFolderOf(home: string): string {
  const usual = join(home, "socket");
  const longestPathBytes = Buffer.byteLength(usual) + 1 + SOCKET_NAME_BYTES_MAX;
  if (longestPathBytes <= SOCKET_PATH_BYTES_MAX) return usual;
  const hash = createHash("sha256").update(home).digest("hex").slice(0, 16);
  return join(SHORT_FOLDER, `hodei-${hash}`);
}

/** A new data folder is closed to everybody else; root's lets the database's group pass through. */
async function ensureDataDir(dataDir: string, chosen: RunAs): Promise<void> {
  if (await exists(dataDir)) return;
  await mkdir(dirname(dataDir), { recursive: true });
  // Another process must never find it half open: it would take the folder for one out of reach.
  const fresh = await mkdtemp(`${dataDir}.new-`);
  if (chosen !== null) await openToGroup(fresh, chosen);
  try {
    await rename(fresh, dataDir);
  } catch (error) {
    await rmdir(fresh);
    if (!isSystemError(error, "ENOTEMPTY") && !isSystemError(error, "EEXIST")) throw error;
  }
}

async function chooseHome(
  dataDir: string,
  chosen: RunAs,
  log: EmbeddedPostgresLog,
): Promise<string> {
  const relocated = await findRelocated(dataDir);
  if (relocated !== undefined) return relocated;
  if (chosen === null || (await exists(join(dataDir, "pgdata")))) return dataDir;
  if (await canTraverse(chosen, dataDir)) return dataDir;
  const home = await relocate(dataDir, chosen);
  log({
    event: "postgres_data_relocated",
    message:
      `PostgreSQL runs as user ${chosen.uid}, which cannot reach ${dataDir}: the database is kept in ${home}. ` +
      "Keep and back up both folders together",
    dataDir,
    home,
  });
  return home;
}
