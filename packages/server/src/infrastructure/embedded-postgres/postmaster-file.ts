import { constants, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { DataPlace } from "./data-place.ts";
import { isSystemError } from "./embedded-postgres-error.ts";
import { isPostgresOf } from "./postgres-process.ts";
import { SOCKET_PORT } from "./settings.ts";

/** What PostgreSQL writes about itself into `postmaster.pid`. */
export interface PostmasterFile {
  readonly pid: number;
  /** `starting`, `ready` or `stopping`; empty in its first moments. */
  readonly status: string;
}

/** Lines of `postmaster.pid`. Source: `src/include/utils/pidfile.h` of PostgreSQL 18. */
const PID_LINE = 0;
const STATUS_LINE = 7;

/**
 * No kernel gives a process this number (Linux and macOS stay far below), and PostgreSQL can read
 * it.
 */
const NO_PROCESS = "2147483647";

/** `undefined` if there is no such file, or nothing usable in it. */
export async function readPostmasterFile(pgdata: string): Promise<PostmasterFile | undefined> {
  const lines = await readLines(join(pgdata, "postmaster.pid"));
  const pid = Number(lines[PID_LINE]);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  return { pid, status: lines[STATUS_LINE]?.trim() ?? "" };
}

/** The PostgreSQL that runs on `pgdata`, if one does. */
export async function findPostmaster(pgdata: string): Promise<number | undefined> {
  const file = await readPostmasterFile(pgdata);
  if (file === undefined) return undefined;
  return (await isPostgresOf(file.pid, pgdata)) ? file.pid : undefined;
}

/**
 * Whether the PostgreSQL last started on `pgdata` was exactly this `program` with these arguments.
 */
export async function wasStartedAs(
  pgdata: string,
  program: string,
  args: readonly string[],
): Promise<boolean> {
  const written = (await readLines(join(pgdata, "postmaster.opts"))).join("\n");
  return written === `${[program, ...args.map((arg) => `"${arg}"`)].join(" ")}\n`;
}

/**
 * Makes a new start possible after a crash, once it is known that no PostgreSQL runs on `pgdata`.
 *
 * PostgreSQL refuses to start while any process of its account has the number in `postmaster.pid`,
 * such as one that was given it later. Its file is not removed, since it also names the shared memory
 * by which PostgreSQL finds orphans of the crashed one; only the number is replaced.
 */
export async function clearStaleFiles(place: DataPlace): Promise<void> {
  const path = join(place.pgdata, "postmaster.pid");
  const [pid, ...rest] = await readLines(path);
  if (pid !== undefined) {
    if (/^\d+$/.test(pid)) await overwrite(path, [NO_PROCESS, ...rest].join("\n"));
    else await rm(path); // torn by a power failure, after which there are no orphans either
  }
  const socket = join(place.socketFolder, `.s.PGSQL.${SOCKET_PORT}`);
  await rm(`${socket}.lock`, { force: true });
  await rm(socket, { force: true });
}

async function readLines(path: string): Promise<string[]> {
  try {
    return (await readFile(path, "utf8")).split("\n");
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return [];
    throw error;
  }
}

async function overwrite(path: string, content: string): Promise<void> {
  const file = await open(path, constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW);
  try {
    await file.writeFile(content);
  } finally {
    await file.close();
  }
}
