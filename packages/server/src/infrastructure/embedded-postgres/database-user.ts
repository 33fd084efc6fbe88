import { chown, readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { getuid } from "node:process";
import { isSystemError } from "./embedded-postgres-error.ts";

/** The account PostgreSQL runs under when we are root: it refuses to run as root itself. */
export interface DatabaseUser {
  readonly uid: number;
  readonly gid: number;
}

/** `null`: we are not root, so everything runs as ourselves. */
export type RunAs = DatabaseUser | null;

/** Accounts made for PostgreSQL by Linux distributions and by macOS, first choice first. */
const ACCOUNT_NAMES = ["postgres", "_postgres", "nobody"];
const NOBODY: DatabaseUser = { uid: 65534, gid: 65534 };

export const isRoot = (): boolean => getuid?.() === 0;

/** The account for a new data folder. `null` unless we are root. */
export async function chooseDatabaseUser(): Promise<RunAs> {
  return isRoot() ? findAccount(await readFile("/etc/passwd", "utf8")) : null;
}

/**
 * The account for the existing `pgdata`: its owner, so that a `postgres` account installed later, or
 * data first written without root, changes nothing. `undefined` if there is no such folder yet.
 */
export async function findDataOwner(pgdata: string): Promise<RunAs | undefined> {
  try {
    const { uid, gid } = await stat(pgdata);
    if (!isRoot()) return null;
    return uid === 0 ? undefined : { uid, gid };
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** The preferred account in the text of `/etc/passwd`, or the customary number of nobody. */
export function findAccount(passwd: string): DatabaseUser {
  const lines = passwd.split("\n").map((line) => line.split(":"));
  for (const wanted of ACCOUNT_NAMES) {
    const [, , uid = "", gid = ""] = lines.find(([name]) => name === wanted) ?? [];
    if (/^[1-9]\d*$/.test(uid) && /^\d+$/.test(gid)) return { uid: Number(uid), gid: Number(gid) };
  }
  return NOBODY;
}

/** Makes `runAs` the owner of `path`; nothing to do when that is ourselves. */
export async function giveTo(runAs: RunAs, path: string): Promise<void> {
  if (runAs !== null) await chown(path, runAs.uid, runAs.gid);
}

/**
 * Whether `user` may pass through `folder` and everything above it, by the permission bits. Access
 * lists are not looked at: where they deny, PostgreSQL's own error names the folder.
 */
export async function canTraverse(user: DatabaseUser, folder: string): Promise<boolean> {
  const { uid, gid, mode } = await stat(folder);
  const execute = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
  if ((mode & execute) === 0) return false;
  const parent = dirname(folder);
  return parent === folder || canTraverse(user, parent);
}
