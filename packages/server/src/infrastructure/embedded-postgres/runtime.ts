import { access, constants, lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { copyRuntime } from "./copy-runtime.ts";
import type { DataPlace } from "./data-place.ts";
import { isRoot } from "./database-user.ts";
import { isSystemError } from "./embedded-postgres-error.ts";
import { exists, isRootOnly } from "./folders.ts";
import type { EmbeddedPostgresLog } from "./log-entry.ts";
import type { NativePackage } from "./native-package.ts";
import { ensureSystemFolder } from "./relocation.ts";

/** PostgreSQL's programs, complete and executable for the account that runs them. */
export interface Runtime {
  readonly initdb: string;
  readonly postgres: string;
}

/** About 60 MB each, so those of other versions are removed once nothing runs from them. */
const HOME_RUNTIME = /^runtime-/;

/**
 * The programs of `native`, straight from the package where that works, else from a copy.
 *
 * Root always runs a copy in a place that only root can change and that the database's account can
 * read: the package may lie under `/root`, or belong to somebody else. Others need one only when the
 * package lacks its links because install scripts were off, as it may be read-only.
 */
export async function prepareRuntime(
  native: NativePackage,
  place: DataPlace,
  log: EmbeddedPostgresLog,
): Promise<Runtime> {
  if (!isRoot() && (await isUsableInPlace(native))) return programsIn(native.folder);
  const folder = isRoot()
    ? await rootRuntimeFolder(native, place)
    : join(place.home, `runtime-${native.version}`);
  if (!(await exists(folder))) {
    await copyRuntime(native, folder);
    log({
      event: "postgres_runtime_installed",
      message: `PostgreSQL ${native.version} is installed in ${folder}`,
      folder,
    });
  }
  return programsIn(folder);
}

/**
 * Removes copies of other versions from `home`. Only for its owner, while `runtime` runs. Those in
 * the system's folder stay, since another data folder may run from them.
 */
export async function removeOldRuntimes(home: string, runtime: Runtime): Promise<void> {
  const folders = (await readdir(home)).filter((name) => HOME_RUNTIME.test(name));
  for (const folder of folders.map((name) => join(home, name))) {
    if (!runtime.postgres.startsWith(join(folder, "/"))) {
      await rm(folder, { recursive: true, force: true });
    }
  }
}

function programsIn(folder: string): Runtime {
  return { initdb: join(folder, "bin", "initdb"), postgres: join(folder, "bin", "postgres") };
}

async function isUsableInPlace({ folder, links }: NativePackage): Promise<boolean> {
  try {
    const { initdb, postgres } = programsIn(folder);
    await Promise.all([initdb, postgres].map((program) => access(program, constants.X_OK)));
    await Promise.all(links.map(({ path }) => lstat(join(folder, path))));
    return true;
  } catch (error) {
    if (isSystemError(error)) return false; // whatever is wrong with it, a copy will not have it
    throw error;
  }
}

/** Shared by all of this machine's data folders; where `/var` is read-only, a folder in `home`. */
async function rootRuntimeFolder(native: NativePackage, { home }: DataPlace): Promise<string> {
  try {
    return join(await ensureSystemFolder(), `embedded-postgres-${native.version}`);
  } catch (error) {
    if (isSystemError(error) && (await isRootOnly(home))) {
      return join(home, `runtime-${native.version}`);
    }
    throw error;
  }
}
