import { execFile } from "node:child_process";
import { chown, lchown, readdir } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { PlatformError } from "@hodei/domain";
import type { Environment } from "./attempt-environment.ts";
import type { WorkerConfig } from "./config.ts";

const ROOT = 0;

/** The user that attempts run as, when it is not the worker's own. */
export interface AttemptUser {
  readonly uid: number;
  /** Its primary group, and the only one that attempts are in. */
  readonly gid: number;
  readonly name: string;
  readonly home: string;
  readonly shell: string;
}

/**
 * Whom attempts run as; `undefined`: the worker's own user.
 * @throws PlatformError `failed_precondition`, reasons `root_refused`, `run_as_needs_root` and `user_not_found`
 */
export async function findAttemptUser({
  runAs,
  allowRoot,
}: Pick<WorkerConfig, "runAs" | "allowRoot">): Promise<AttemptUser | undefined> {
  const isRoot = process.getuid?.() === ROOT;
  if (runAs === undefined) {
    if (isRoot && !allowRoot) throw rootRefused();
    return undefined;
  }
  const user = await findUser(runAs);
  if (user.uid === process.getuid?.()) return findAttemptUser({ runAs: undefined, allowRoot });
  if (!isRoot) {
    const message = `only root can run attempts as another user: start the worker as ${user.name}, or without --run-as`;
    throw new PlatformError("failed_precondition", "run_as_needs_root", message);
  }
  return user;
}

/** The variables of the worker's environment that tell of its user, changed to those of `user`. */
export function environmentOf(user: AttemptUser | undefined, hostEnv: Environment): Environment {
  if (user === undefined) return hostEnv;
  const { home: HOME, name, shell: SHELL } = user;
  return { ...hostEnv, HOME, USER: name, LOGNAME: name, SHELL };
}

/**
 * Runs a program as the user, in `cwd` even if only root comes there; rejects when it fails. For what root should not do among
 * files that others may move.
 */
export async function runAsUser(
  { uid, gid }: Pick<AttemptUser, "uid" | "gid">,
  [file, ...args]: readonly [string, ...string[]],
  cwd = "/",
): Promise<void> {
  await promisify(execFile)(file, args, { uid, gid, cwd, env: {} });
}

/** Gives a folder and all in it to the user, the folder last: nobody can come in between. */
export async function giveTo(user: AttemptUser, path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const inner = join(path, entry.name);
    if (entry.isDirectory()) await giveTo(user, inner);
    else await lchown(inner, user.uid, user.gid);
  }
  await chown(path, user.uid, user.gid);
}

/**
 * Checks that the user comes into `path`, which root may have made below folders of its own.
 * @throws PlatformError `failed_precondition`, reason `state_dir_unusable`
 */
export async function requireReach(user: AttemptUser, path: string): Promise<void> {
  try {
    await runAsUser(user, ["/bin/sh", "-c", 'cd "$1"', "sh", path]);
  } catch (cause) {
    throw outOfReach(user, path, cause);
  }
}

/** From where the system looks users up, so that those of a directory service are found too. */
async function findUser(nameOrUid: string): Promise<AttemptUser> {
  let line: string;
  try {
    const { stdout } = await promisify(execFile)("getent", ["passwd", "--", nameOrUid]);
    line = stdout.trim();
  } catch (cause) {
    throw unknownUser(nameOrUid, cause);
  }
  const [name = "", , uid, gid, , home = "", shell = ""] = line.split(":");
  return { uid: Number(uid), gid: Number(gid), name, home: home || "/", shell: shell || "/bin/sh" };
}

function outOfReach({ name }: AttemptUser, path: string, cause: unknown): PlatformError {
  const message = `the user ${name}, that attempts are to run as, does not come into ${path}: let everybody enter the folders above it, or name another with --state-dir, such as /var/lib/hodei-worker`;
  return new PlatformError("failed_precondition", "state_dir_unusable", message, { cause });
}

function unknownUser(nameOrUid: string, cause: unknown): PlatformError {
  const message = `attempts cannot run as ${nameOrUid}: getent passwd knows no such user`;
  return new PlatformError("failed_precondition", "user_not_found", message, { cause });
}

function rootRefused(): PlatformError {
  const message =
    "this worker runs as root, and so would its jobs: name another user for them with --run-as (HODEI_WORKER_RUN_AS), start the worker as another user, or allow it with --allow-root (HODEI_WORKER_ALLOW_ROOT)";
  return new PlatformError("failed_precondition", "root_refused", message);
}
