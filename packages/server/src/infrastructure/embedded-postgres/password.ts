import { randomBytes } from "node:crypto";
import { constants, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { DataPlace } from "./data-place.ts";
import { giveTo, type RunAs } from "./database-user.ts";
import { embeddedPostgresError, isSystemError } from "./embedded-postgres-error.ts";

const PASSWORD_BYTES = 24;

/**
 * The file with the superuser's password: mode 0600, of the database's account, as initdb reads it.
 */
export const passwordFileIn = (home: string): string => join(home, "password");

/**
 * The password of an existing database.
 * @throws PlatformError `start_failed` if its file is gone or empty.
 */
export async function readPassword(place: DataPlace): Promise<string> {
  const path = passwordFileIn(place.home);
  const password = await readIfAny(path);
  if (password !== undefined && password !== "") return password;
  throw embeddedPostgresError(
    "start_failed",
    `the database in ${place.pgdata} is there, but its password in ${path} is not: bring that file back, or ` +
      "choose another data folder",
  );
}

/** The password for a database yet to be made: stored, and on disk, before it is first needed. */
export async function ensurePassword(place: DataPlace): Promise<string> {
  const path = passwordFileIn(place.home);
  const stored = await readIfAny(path);
  if (stored !== undefined && stored !== "") return stored;
  const password = randomBytes(PASSWORD_BYTES).toString("base64url");
  await writeWhole(path, `${password}\n`, place.runAs);
  return password;
}

async function readIfAny(path: string): Promise<string | undefined> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      return (await file.readFile("utf8")).trim();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return undefined;
    throw error;
  }
}

async function writeWhole(path: string, content: string, runAs: RunAs): Promise<void> {
  const unfinished = `${path}.new`;
  await rm(unfinished, { force: true });
  const file = await open(unfinished, "wx", 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await giveTo(runAs, unfinished);
  await rename(unfinished, path);
}
