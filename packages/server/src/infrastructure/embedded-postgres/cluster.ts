import { once } from "node:events";
import { mkdtemp, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { getuid, kill } from "node:process";
import { text } from "node:stream/consumers";
import type { DataPlace } from "./data-place.ts";
import { giveTo } from "./database-user.ts";
import { embeddedPostgresError, isSystemError, programFailure } from "./embedded-postgres-error.ts";
import { launch } from "./launch.ts";
import { lastLines } from "./log-file.ts";
import { SUPERUSER } from "./settings.ts";

/** A second or so in practice; a disk this slow is no place for a database. */
const INITDB_TIMEOUT_MS = 120_000;

const UNFINISHED_PREFIX = "pgdata-new-";

/** What initdb says under a number without a name, as containers like to use. */
const NAMELESS_USER = /could not look up effective user ID/;

/**
 * Whether `pgdata` holds a database that PostgreSQL of `majorVersion` can open. Reads only.
 *
 * @throws PlatformError `data_version_mismatch`; `start_failed` if something else is in the folder.
 */
export async function hasCluster(pgdata: string, majorVersion: number): Promise<boolean> {
  const version = await readFileIfAny(join(pgdata, "PG_VERSION"));
  if (version === undefined) {
    if ((await listIfAny(pgdata)).length === 0) return false;
    throw embeddedPostgresError(
      "start_failed",
      `${pgdata} is not empty, yet no PostgreSQL data: move it away, or choose another data folder`,
    );
  }
  if (version.trim() === String(majorVersion)) return true;
  throw embeddedPostgresError(
    "data_version_mismatch",
    `${pgdata} was written by PostgreSQL ${version.trim()}, but this Hodei brings ${majorVersion}. Nothing was ` +
      "changed: run the Hodei that wrote it, serve the data with your own PostgreSQL and --database-url, or " +
      "choose another data folder",
  );
}

/**
 * Makes the database: UTF-8, with PostgreSQL's own implementation of the locale C.UTF-8, so that sorting
 * never changes with the operating system; passwords required, nobody let in over the network.
 *
 * `pgdata` appears complete or not at all. initdb forces its files to disk before it ends, unless
 * `durable` is false.
 */
export async function createCluster(
  place: DataPlace,
  options: { readonly initdb: string; readonly passwordFile: string; readonly durable: boolean },
): Promise<void> {
  await removeUnfinished(place.home);
  const unfinished = await mkdtemp(join(place.home, UNFINISHED_PREFIX));
  await giveTo(place.runAs, unfinished);
  await runInitdb(place, options.initdb, [
    `--pgdata=${unfinished}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${options.passwordFile}`,
    "--auth-local=scram-sha-256",
    "--auth-host=reject",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
    ...(options.durable ? [] : ["--no-sync"]),
  ]);
  await rename(unfinished, place.pgdata);
  await syncFolder(place.home);
}

/**
 * What a process that died in the middle left; its initdb, should it still run, fails harmlessly.
 */
async function removeUnfinished(home: string): Promise<void> {
  for (const name of await readdir(home)) {
    if (!name.startsWith(UNFINISHED_PREFIX)) continue;
    await rm(join(home, name), { recursive: true, force: true, maxRetries: 5 });
  }
}

async function runInitdb(place: DataPlace, initdb: string, args: string[]): Promise<void> {
  const child = await launch(initdb, args, { runAs: place.runAs, output: "pipe" });
  const { pid, stdout, stderr } = child;
  if (pid === undefined || stdout === null || stderr === null) {
    throw new Error("invariant broken: a child that was spawned has a pid and its pipes");
  }
  // The whole session: initdb runs postgres in turn.
  const timer = setTimeout(() => kill(-pid, "SIGKILL"), INITDB_TIMEOUT_MS);
  const [, output, errors] = await Promise.all([once(child, "close"), text(stdout), text(stderr)]);
  clearTimeout(timer);
  if (child.exitCode === 0) return;
  if (NAMELESS_USER.test(errors)) {
    throw embeddedPostgresError(
      "start_failed",
      `user ${place.runAs?.uid ?? getuid?.()} has no entry in /etc/passwd, which initdb insists on: add one, run ` +
        "as a user that has one, or use your own server with --database-url",
    );
  }
  const how = child.signalCode ?? `exit code ${child.exitCode}`;
  throw programFailure(`initdb failed (${how})`, lastLines(`${output}${errors}`));
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  await folder.sync();
  await folder.close();
}

async function readFileIfAny(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return undefined;
    throw error;
  }
}

async function listIfAny(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return [];
    throw error;
  }
}
