import {
  chmod,
  constants,
  copyFile,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  rename,
  rm,
  symlink,
} from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { isSystemError } from "./embedded-postgres-error.ts";
import type { NativePackage } from "./native-package.ts";

/** About a thousand small files: the disk is better used by a few at once. */
const FILES_AT_ONCE = 8;

/** A copy takes under a second; what is older than this was left by a process that died. */
const ABANDONED_AFTER_MS = 3_600_000;

/**
 * Copies the package to `folder` with its links, readable by everybody. The folder appears complete
 * and on disk, or not at all; of several processes at once one wins, and the others take its copy.
 */
export async function copyRuntime(native: NativePackage, folder: string): Promise<void> {
  await removeAbandoned(folder);
  const unfinished = await mkdtemp(unfinishedPrefix(folder));
  try {
    await copyTree(native.folder, unfinished);
    for (const { path, target } of native.links) await linkOnce(target, join(unfinished, path));
    await chmod(unfinished, 0o755);
    await rename(unfinished, folder);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    if (!isSystemError(error, "ENOTEMPTY") && !isSystemError(error, "EEXIST")) throw error;
  }
}

const unfinishedPrefix = (folder: string): string => join(dirname(folder), `.${basename(folder)}-`);

async function removeAbandoned(folder: string): Promise<void> {
  const prefix = basename(unfinishedPrefix(folder));
  for (const name of await readdir(dirname(folder))) {
    if (!name.startsWith(prefix)) continue;
    const path = join(dirname(folder), name);
    // Gone by now: the process that was making it has just finished.
    const mtimeMs = await lstat(path).then(
      (found) => found.mtimeMs,
      () => Number.POSITIVE_INFINITY,
    );
    if (mtimeMs < Date.now() - ABANDONED_AFTER_MS) await rm(path, { recursive: true, force: true });
  }
}

async function copyTree(from: string, to: string): Promise<void> {
  const entries = await readdir(from, { recursive: true, withFileTypes: true });
  const placed = entries.map((entry) => {
    const source = join(entry.parentPath, entry.name);
    return { entry, source, target: join(to, relative(from, source)) };
  });
  // A folder comes before what is in it: its path is the shorter one.
  const folders = placed.filter(({ entry }) => entry.isDirectory()).map(({ target }) => target);
  for (const folder of folders.sort((a, b) => a.length - b.length)) {
    await mkdir(folder);
    await chmod(folder, 0o755); // whatever the umask
  }
  const files = placed.filter(({ entry }) => entry.isFile()).values();
  const copyRest = async (): Promise<void> => {
    for (const { source, target } of files) await copyToDisk(source, target);
  };
  await Promise.all(Array.from({ length: FILES_AT_ONCE }, copyRest));
}

/** Forced to disk: after a power failure the folder's name must not lead to empty files. */
async function copyToDisk(source: string, target: string): Promise<void> {
  await copyFile(source, target, constants.COPYFILE_FICLONE);
  const file = await open(target, "r");
  try {
    const { mode } = await file.stat();
    await file.chmod((mode & 0o100) === 0 ? 0o644 : 0o755);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** The package has the link already if its install script ran. */
async function linkOnce(target: string, path: string): Promise<void> {
  try {
    await symlink(target, path);
  } catch (error) {
    if (!isSystemError(error, "EEXIST")) throw error;
  }
}
