import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, readlink, realpath, rmdir, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { DatabaseUser } from "./database-user.ts";
import { embeddedPostgresError, isSystemError } from "./embedded-postgres-error.ts";
import { isRootOnly, openToGroup } from "./folders.ts";

/**
 * Folder for what root's PostgreSQL cannot keep elsewhere: its programs, and data out of its reach.
 */
export const SYSTEM_FOLDER = "/var/lib/hodei";

/** Link in the data folder that leads to its real place. */
const LINK_NAME = "relocated";

/**
 * The real place of a data folder that was relocated before, else `undefined`.
 *
 * @throws PlatformError `start_failed` if that place is gone: an empty database instead of a lost
 * one would look like lost jobs.
 */
export async function findRelocated(dataDir: string): Promise<string | undefined> {
  const link = join(dataDir, LINK_NAME);
  const home = await readLinkIfAny(link);
  if (home === undefined) return undefined;
  try {
    return await realpath(home);
  } catch (error) {
    if (!isSystemError(error, "ENOENT")) throw error;
    throw embeddedPostgresError(
      "start_failed",
      `the database of ${dataDir} was kept in ${home}, which is gone: bring it back, or remove ${link} to ` +
        "start with an empty database",
      error,
    );
  }
}

/**
 * Gives `dataDir`, which `user` cannot reach, a real place that it can: a new folder in
 * `SYSTEM_FOLDER`. Of several processes at once, the one that makes the link decides for all.
 */
export async function relocate(dataDir: string, user: DatabaseUser): Promise<string> {
  const hash = createHash("sha256").update(dataDir).digest("hex").slice(0, 16);
  const home = await mkdtemp(join(await ensureSystemFolder(), `${hash}-`));
  await openToGroup(home, user);
  try {
    await symlink(home, join(dataDir, LINK_NAME));
    return home;
  } catch (error) {
    await rmdir(home);
    const other = isSystemError(error, "EEXIST") ? await findRelocated(dataDir) : undefined;
    if (other === undefined) throw error;
    return other;
  }
}

/**
 * The real path of `SYSTEM_FOLDER`, which exists afterwards.
 *
 * @throws PlatformError `start_failed` if others than root could change what is in it.
 */
export async function ensureSystemFolder(): Promise<string> {
  await mkdir(dirname(SYSTEM_FOLDER), { recursive: true });
  try {
    await mkdir(SYSTEM_FOLDER);
    await chmod(SYSTEM_FOLDER, 0o755); // whatever the umask: the database's account reads here
  } catch (error) {
    if (!isSystemError(error, "EEXIST")) throw error;
  }
  const folder = await realpath(SYSTEM_FOLDER);
  if (await isRootOnly(folder)) return folder;
  throw embeddedPostgresError(
    "start_failed",
    `others than root can change ${folder}: give it and the folders above it back to root, or run as an ` +
      "ordinary user",
  );
}

async function readLinkIfAny(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return undefined;
    throw error;
  }
}
