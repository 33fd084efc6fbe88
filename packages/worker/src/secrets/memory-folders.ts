import { constants } from "node:fs";
import {
  access,
  chmod,
  chown,
  mkdtemp,
  readdir,
  readlink,
  rm,
  statfs,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { AttemptFailure } from "../attempt-failure.ts";
import type { AttemptUser } from "../attempt-user.ts";
import { errnoOf } from "../errno.ts";
import { isStateDirectoryHeld, stateDirectoryId } from "../state-directory.ts";

/** File systems that live in memory, by their numbers in statfs(2). */
const MEMORY_FILE_SYSTEMS = new Set([0x01021994 /* tmpfs */, 0x858458f6 /* ramfs */]);

/**
 * Folders in memory for the secret files of attempts; each is its attempt's alone and goes with it.
 *
 * A folder's name has the worker's network namespace and the id of its state directory, so that others can tell whether
 * the worker that made it still runs.
 */
export class MemoryFolders {
  readonly #root: string | undefined;
  /** Begins the names of all workers that can be told to run or not. */
  readonly #prefix: string;
  readonly #id: string;
  readonly #user: AttemptUser | undefined;

  private constructor(
    root: string | undefined,
    { prefix, id, user }: { prefix: string; id: string; user: AttemptUser | undefined },
  ) {
    this.#root = root;
    this.#user = user;
    this.#prefix = prefix;
    this.#id = id;
  }

  /**
   * Uses the first of `candidates` that is in memory, and removes what workers left there that were killed: an earlier
   * one on `stateDir`, which this process holds, and any that runs no more. A worker without such a place runs all jobs
   * but those that ask for secrets as files. `user`: who may read the files, when not the worker's own.
   */
  static async open(
    stateDir: string,
    candidates: readonly string[],
    user?: AttemptUser,
  ): Promise<MemoryFolders> {
    const root = await findMemory(candidates);
    const prefix = `hodei-secrets-${await namespaceId()}-`;
    const folders = new MemoryFolders(root, { prefix, id: await stateDirectoryId(stateDir), user });
    if (root !== undefined) await folders.#clear(root);
    return folders;
  }

  /**
   * A new folder (mode 0700) with a file (mode 0400) for each secret; its path. A folder for another user stays ours, so
   * that he cannot put something else in its place, and only his group may look into it.
   * @throws AttemptFailure `secret_unavailable` if there is no place in memory, or none left
   */
  async create(
    secrets: readonly { readonly name: string; readonly value: Uint8Array }[],
  ): Promise<string> {
    if (this.#root === undefined) throw noMemory();
    let path: string | undefined;
    try {
      path = await mkdtemp(join(this.#root, `${this.#prefix}${this.#id}-`));
      for (const { name, value } of secrets) {
        await writeFile(join(path, name), value, { mode: 0o400, flag: "wx" });
      }
      if (this.#user !== undefined) await this.#share(path, this.#user);
      return path;
    } catch (cause) {
      if (path !== undefined) await this.remove(path);
      throw notWritten(this.#root, cause);
    }
  }

  /** Removes a folder of `create`, also when the job took its own rights to it away. */
  async remove(path: string): Promise<void> {
    await chmod(path, 0o700).catch(() => {}); // If it is gone already, so much the better.
    await rm(path, { recursive: true, force: true });
  }

  async #share(path: string, { uid, gid }: AttemptUser): Promise<void> {
    for (const name of await readdir(path)) await chown(join(path, name), uid, gid);
    await chown(path, process.getuid?.() ?? 0, gid);
    await chmod(path, 0o750);
  }

  async #clear(root: string): Promise<void> {
    for (const name of await readdir(root)) {
      if (!name.startsWith(this.#prefix)) continue;
      const [id = ""] = name.slice(this.#prefix.length).split("-");
      if (id !== this.#id && (await isStateDirectoryHeld(id))) continue;
      // Those of other users cannot be removed, and are theirs to remove.
      await this.remove(join(root, name)).catch((error: unknown) => {
        if (!["EPERM", "EACCES"].includes(errnoOf(error))) throw error;
      });
    }
  }
}

function noMemory(): AttemptFailure {
  return new AttemptFailure(
    "secret_unavailable",
    "This worker has no folder in memory for secret files: mount a tmpfs on /dev/shm, or ask for the secrets as variables.",
  );
}

function notWritten(root: string, cause: unknown): AttemptFailure {
  const text = `The secret files cannot be written to ${root}: ${errnoOf(cause) || cause}.`;
  return new AttemptFailure("secret_unavailable", text, { cause });
}

/** Number of the network namespace, in which names of locks are; empty where there are none. */
async function namespaceId(): Promise<string> {
  const link = await readlink("/proc/self/ns/net").catch(() => "");
  return /\d+/.exec(link)?.[0] ?? "";
}

async function findMemory(candidates: readonly string[]): Promise<string | undefined> {
  for (const path of candidates) {
    if (await isUsableMemory(path)) return path;
  }
  return undefined;
}

async function isUsableMemory(path: string): Promise<boolean> {
  try {
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    return MEMORY_FILE_SYSTEMS.has((await statfs(path)).type);
  } catch {
    return false; // Not there, or not ours to use: the next one then.
  }
}
