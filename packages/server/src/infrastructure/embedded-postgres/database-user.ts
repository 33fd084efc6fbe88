import { lchown, readFile, stat } from "node:fs/promises";
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

/**
 * The account for data in `folder`: whoever that belongs to, so that another user's folder stays that
 * user's; PostgreSQL's own account if the folder is root's, is not there yet, or its owner has no
 * name, which initdb insists on. `null` unless we are root.
 */
export async function chooseDatabaseUser(folder: string): Promise<RunAs> {
  if (!isRoot()) return null;
  const passwd = await readFile("/etc/passwd", "utf8");
  const owner = await findOwner(folder);
  return owner !== undefined && hasAccount(passwd, owner.uid) ? owner : findAccount(passwd);
}

/** The owner of `folder`, unless that is root or there is no such folder. */
export async function findOwner(folder: string): Promise<DatabaseUser | undefined> {
  try {
    const { uid, gid } = await stat(folder);
    return uid === 0 ? undefined : { uid, gid };
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** The preferred account in the text of `/etc/passwd`, or the customary number of nobody. */
export function findAccount(passwd: string): DatabaseUser {
  const lines = fieldsOf(passwd);
  for (const wanted of ACCOUNT_NAMES) {
    const [, , uid = "", gid = ""] = lines.find(([name]) => name === wanted) ?? [];
    if (/^[1-9]\d*$/.test(uid) && /^\d+$/.test(gid)) return { uid: Number(uid), gid: Number(gid) };
  }
  return NOBODY;
}

const hasAccount = (passwd: string, uid: number): boolean =>
  fieldsOf(passwd).some((fields) => fields[2] === String(uid));

const fieldsOf = (passwd: string): string[][] => passwd.split("\n").map((line) => line.split(":"));

/**
 * Makes `runAs` the owner of `path`, not of what it may link to; nothing to do when that is
 * ourselves.
 */
export async function giveTo(runAs: RunAs, path: string): Promise<void> {
  if (runAs !== null) await lchown(path, runAs.uid, runAs.gid);
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
