import { randomUUID } from "node:crypto";
import { readdir, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { identifyProcess, isAlive, type ProcessIdentity } from "./process-identity.ts";

/** A lock that is held. It ends with its process, however that ends. */
export interface ProcessLock {
  release(): Promise<void>;
}

/**
 * Takes the lock `name` in `folder`, or says who holds it.
 *
 * Every contender first puts down a file of its own, named after its process, then looks for others: of two that
 * overlap, the later one to put down its file sees the other's, so they cannot both succeed (both may fail; try
 * again after a random wait). Files of dead processes do not count and are removed, which is safe because a file's
 * name is never used again.
 */
export async function tryLock(
  folder: string,
  name: string,
): Promise<{ lock: ProcessLock } | { owner: ProcessIdentity }> {
  const before = await findLockOwner(folder, name);
  if (before !== undefined) return { owner: before };
  const self = await identifyProcess(process.pid);
  if (self === undefined) throw new Error("this process does not exist");
  const fileName = `${name}.${self.pid}.${self.startTicks}.${randomUUID()}.lock`;
  const path = join(folder, fileName);
  await writeFile(path, "", { flag: "wx", mode: 0o600 });
  const release = () => removeIfThere(path);
  const other = await findLockOwner(folder, name, fileName);
  if (other === undefined) return { lock: { release } };
  await release();
  return { owner: other };
}

/** Who holds, or is about to take, the lock; the file `except` does not count. */
export async function findLockOwner(
  folder: string,
  name: string,
  except?: string,
): Promise<ProcessIdentity | undefined> {
  for (const fileName of await listFolder(folder)) {
    if (fileName === except || !fileName.startsWith(`${name}.`)) continue;
    const [, pid, startTicks] = /\.(\d+)\.(\d+)\.[0-9a-f-]+\.lock$/.exec(fileName) ?? [];
    if (pid === undefined) continue;
    const owner = { pid: Number(pid), startTicks: Number(startTicks) };
    if (await isAlive(owner)) return owner;
    await removeIfThere(join(folder, fileName));
  }
  return undefined;
}

/** A folder that was never made holds no locks. */
async function listFolder(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
}

/** Another process may have removed it as well. */
async function removeIfThere(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "ENOENT";
