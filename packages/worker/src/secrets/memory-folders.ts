import { createHash } from "node:crypto";
import { chmod, mkdtemp, readdir, realpath, rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AttemptFailure } from "../attempt-failure.ts";
import { errnoOf } from "../errno.ts";

/** File systems that live in memory, by their numbers in statfs(2). */
const MEMORY_FILE_SYSTEMS = new Set([0x01021994 /* tmpfs */, 0x858458f6 /* ramfs */]);

/** Folders in memory for the secret files of attempts; each is its attempt's alone and goes with it. */
export class MemoryFolders {
  readonly #root: string | undefined;
  readonly #prefix: string;

  private constructor(root: string | undefined, prefix: string) {
    this.#root = root;
    this.#prefix = prefix;
  }

  /**
   * Uses the first of `candidates` that is in memory, and removes what an earlier worker on `stateDir` left there. A
   * worker without such a place runs all jobs but those that ask for secrets as files.
   */
  static async open(stateDir: string, candidates: readonly string[]): Promise<MemoryFolders> {
    const id = createHash("sha256")
      .update(await realpath(stateDir))
      .digest("hex");
    const folders = new MemoryFolders(await findMemory(candidates), `hodei-${id.slice(0, 16)}-`);
    await folders.#clear();
    return folders;
  }

  /**
   * A new folder (mode 0700) with a file (mode 0400) for each secret; its path.
   * @throws AttemptFailure `secret_unavailable` if there is no place in memory, or none left
   */
  async create(
    secrets: readonly { readonly name: string; readonly value: Uint8Array }[],
  ): Promise<string> {
    if (this.#root === undefined) {
      throw new AttemptFailure(
        "secret_unavailable",
        "This worker has no folder in memory for secret files: mount a tmpfs on /dev/shm, or ask for the secrets as variables.",
      );
    }
    let path: string | undefined;
    try {
      path = await mkdtemp(join(this.#root, this.#prefix));
      for (const { name, value } of secrets) {
        await writeFile(join(path, name), value, { mode: 0o400, flag: "wx" });
      }
      return path;
    } catch (cause) {
      if (path !== undefined) await this.remove(path);
      const text = `The secret files cannot be written to ${this.#root}: ${errnoOf(cause) || cause}.`;
      throw new AttemptFailure("secret_unavailable", text, { cause });
    }
  }

  /** Removes a folder of `create`, also when the job took its own rights to it away. */
  async remove(path: string): Promise<void> {
    await chmod(path, 0o700).catch(() => {}); // If it is gone already, so much the better.
    await rm(path, { recursive: true, force: true });
  }

  /** Others' folders of such a name cannot be removed, and hold nothing of ours. */
  async #clear(): Promise<void> {
    if (this.#root === undefined) return;
    const names = await readdir(this.#root);
    for (const name of names.filter((candidate) => candidate.startsWith(this.#prefix))) {
      await this.remove(join(this.#root, name)).catch((error: unknown) => {
        if (!["EPERM", "EACCES"].includes(errnoOf(error))) throw error;
      });
    }
  }
}

async function findMemory(candidates: readonly string[]): Promise<string | undefined> {
  for (const path of candidates) {
    const type = await statfs(path).then(
      (facts) => facts.type,
      () => undefined, // Not there, or not ours to look at: the next one then.
    );
    if (type !== undefined && MEMORY_FILE_SYSTEMS.has(type)) return path;
  }
  return undefined;
}
