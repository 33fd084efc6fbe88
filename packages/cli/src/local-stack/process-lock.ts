import { randomUUID } from "node:crypto";
import { link, readdir, readFile, truncate, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { identifyProcess, isAlive, type ProcessIdentity } from "./process-identity.ts";

/** A lock that is held. It ends with its process, however that ends. */
export interface ProcessLock {
  release(): Promise<void>;
}

/** The file of a lock with the highest number: whoever is named in it holds the lock, if it is alive. */
interface Latest {
  readonly generation: number;
  /** `undefined`: free. */
  readonly owner: ProcessIdentity | undefined;
}

/**
 * Takes the lock `name` in `folder`, or says who holds it.
 *
 * A lock is a row of numbered files of which the highest counts. To take a free lock is to create the file with the
 * next number, which only one contender can; a release empties the file but leaves it, so that numbers only grow
 * and nobody mistakes an old state for the present one. The file appears with its content, by a hard link, so it
 * is never seen half written.
 */
export async function tryLock(
  folder: string,
  name: string,
): Promise<{ lock: ProcessLock } | { owner: ProcessIdentity }> {
  const self = await identifyProcess(process.pid);
  if (self === undefined) throw new Error("this process does not exist");
  for (;;) {
    const { generation, owner } = await readLatest(folder, name);
    if (owner !== undefined) return { owner };
    const path = lockPath(folder, name, generation + 1);
    if (await createWhole(path, self)) {
      const generations = await listGenerations(folder, name);
      if (Math.max(...generations) === generation + 1) {
        await Promise.all(
          generations
            .filter((other) => other <= generation)
            .map((other) => removeIfThere(lockPath(folder, name, other))),
        );
        return { lock: { release: () => truncate(path) } };
      }
      // What was read before is long past: others have taken and released the lock since.
      await removeIfThere(path);
    }
  }
}

/** Who holds the lock. */
export async function findLockOwner(
  folder: string,
  name: string,
): Promise<ProcessIdentity | undefined> {
  return (await readLatest(folder, name)).owner;
}

async function readLatest(folder: string, name: string): Promise<Latest> {
  for (;;) {
    const generation = Math.max(0, ...(await listGenerations(folder, name)));
    if (generation === 0) return { generation, owner: undefined };
    const path = lockPath(folder, name, generation);
    const text = await readFile(path, "utf8").catch(undefinedIfMissing);
    // It is gone because there is a higher one by now.
    if (text === undefined) continue;
    if (text === "") return { generation, owner: undefined };
    const owner = JSON.parse(text) as ProcessIdentity;
    return { generation, owner: (await isAlive(owner)) ? owner : undefined };
  }
}

/** Numbers of the files of a lock; none in a folder that was never made. */
async function listGenerations(folder: string, name: string): Promise<readonly number[]> {
  const files = (await readdir(folder).catch(undefinedIfMissing)) ?? [];
  return files.flatMap((file) => {
    const [, lock, generation] = /^([a-z]+)\.(\d+)\.lock$/.exec(file) ?? [];
    return lock === name ? [Number(generation)] : [];
  });
}

const lockPath = (folder: string, name: string, generation: number): string =>
  join(folder, `${name}.${generation}.lock`);

/** Creates a file with its content at once; `false` if there is one of that name. */
async function createWhole(path: string, content: ProcessIdentity): Promise<boolean> {
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, JSON.stringify(content), { flag: "wx", mode: 0o600 });
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  } finally {
    await unlink(draft);
  }
}

/** Another process may have removed it as well. */
async function removeIfThere(path: string): Promise<void> {
  await unlink(path).catch(undefinedIfMissing);
}

function undefinedIfMissing(error: unknown): undefined {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
  throw error;
}
