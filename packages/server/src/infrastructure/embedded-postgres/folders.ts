import { chmod, chown, lstat, mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { getuid } from "node:process";
import { type DatabaseUser, giveTo, type RunAs } from "./database-user.ts";
import { embeddedPostgresError, isSystemError } from "./embedded-postgres-error.ts";

const GROUP_OR_OTHERS = 0o077;
const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;

export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return false;
    throw error;
  }
}

/** Root's folder, closed to everybody but for the group of `user`, which may pass through. */
export async function openToGroup(folder: string, user: DatabaseUser): Promise<void> {
  await chown(folder, 0, user.gid);
  await chmod(folder, 0o710);
}

/**
 * Makes `path` a folder that only its owner, the account PostgreSQL runs under, can enter. One that
 * exists is taken if it is exactly that: whoever may enter it could reach the database's socket.
 */
export async function ensurePrivateFolder(path: string, runAs: RunAs): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
    await giveTo(runAs, path);
  } catch (error) {
    if (!isSystemError(error, "EEXIST")) throw error;
  }
  const found = await lstat(path);
  const owner = runAs?.uid ?? getuid?.();
  if (found.isDirectory() && found.uid === owner && (found.mode & GROUP_OR_OTHERS) === 0) return;
  throw embeddedPostgresError(
    "start_failed",
    `${path} must be a folder of user ${owner} that nobody else can enter, but it is a ` +
      `${found.isDirectory() ? "folder" : "file"} of user ${found.uid} with mode ` +
      `${(found.mode & 0o7777).toString(8)}: remove it and start again`,
  );
}

/**
 * Whether only root can change what is in `folder`, and what the names above it lead to. Root must
 * not run programs out of any other place.
 */
export async function isRootOnly(folder: string): Promise<boolean> {
  const found = await lstat(folder);
  if (!found.isDirectory() || found.uid !== 0 || (found.mode & WRITABLE_BY_OTHERS) !== 0) {
    return false;
  }
  for (let above = dirname(folder); ; above = dirname(above)) {
    const { uid, mode } = await lstat(above);
    const keepsNames = (mode & WRITABLE_BY_OTHERS) === 0 || (mode & STICKY) !== 0;
    if (uid !== 0 || !keepsNames) return false;
    if (above === dirname(above)) return true;
  }
}
