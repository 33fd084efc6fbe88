import {
  chmod,
  copyFile,
  link,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { parseWorkerId, type WorkerId } from "@hodei/domain";
import type { ProcessRef } from "./process-table.ts";

/** A log beyond this moves to `worker.log.1` at the next `list`, over what stood there before. */
export const WORKER_LOG_MAX_BYTES = 16 * 1024 * 1024;

/**
 * Which process runs a machine. `null`: none ever did, and none will. `undefined`: nobody has claimed it; a process that is
 * starting may, at any moment.
 */
export type Claim = ProcessRef | null | undefined;

/** Paths of one machine: all that this provider knows about it lies in its folder. */
export interface MachineFolder {
  readonly path: string;
  /** The claim: `{workerId, pool, pid, processStartTime}`. Made by `link`, so the first to make it wins. */
  readonly claim: string;
  readonly log: string;
  readonly joinToken: string;
  readonly stateDir: string;
}

export function machineFolder(dir: string, workerId: WorkerId): MachineFolder {
  const path = join(dir, workerId);
  return {
    path,
    claim: join(path, "machine.json"),
    log: join(path, "worker.log"),
    joinToken: join(path, "join-token"),
    stateDir: join(path, "state"),
  };
}

/** Makes the folder unless it exists, and puts the token into it, readable for this user only. */
export async function prepareFolder(folder: MachineFolder, joinToken: string): Promise<void> {
  await mkdir(folder.path, { recursive: true, mode: 0o700 });
  // A file that a crash left keeps its mode, so it is made anew.
  await rm(folder.joinToken, { force: true });
  await writeFile(folder.joinToken, joinToken, { flag: "wx", mode: 0o600 });
}

/** Who has claimed the machine; `undefined` also if there is no such machine. */
export async function readClaim(folder: MachineFolder): Promise<Claim> {
  const text = await unlessMissing(readFile(folder.claim, "utf8"));
  return text === undefined ? undefined : parseClaim(text);
}

/**
 * Claims a machine that has no process, so that one that is just starting gives up. Returns the claim that stands then:
 * the process may have been quicker. `undefined` if there is no such machine.
 */
export async function claimForNobody(folder: MachineFolder, workerId: WorkerId): Promise<Claim> {
  const draft = `${folder.claim}.nobody`;
  try {
    await writeFile(draft, JSON.stringify({ workerId, pid: null }));
    await link(draft, folder.claim);
    return null;
  } catch (error) {
    if (hasCode(error, "EEXIST")) return readClaim(folder);
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

/**
 * Also what jobs made unremovable by its modes, as package caches do. Retries, because a process that is starting may put its
 * draft there meanwhile. It finds no folder then and ends.
 */
export async function removeFolder({ path }: MachineFolder): Promise<void> {
  const options = { recursive: true, force: true, maxRetries: 5, retryDelay: 50 };
  try {
    await rm(path, options);
  } catch {
    await makeRemovable(path);
    await rm(path, options);
  }
}

async function makeRemovable(path: string): Promise<void> {
  await chmod(path, 0o700);
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await makeRemovable(join(path, entry.name));
  }
}

/** Workers that have a folder in `dir`, in order of their ids; none if there is no `dir`. */
export async function listWorkerIds(dir: string): Promise<readonly WorkerId[]> {
  const names = (await unlessMissing(readdir(dir))) ?? [];
  return names.flatMap(asWorkerId).sort();
}

/** Keeps a machine's logs below twice `WORKER_LOG_MAX_BYTES` plus what it writes between two calls. */
export async function boundLog(folder: MachineFolder): Promise<void> {
  const info = await unlessMissing(stat(folder.log));
  if (info === undefined || info.size <= WORKER_LOG_MAX_BYTES) return;
  // The worker holds the file open in append mode, so it must stay the same file.
  await copyFile(folder.log, `${folder.log}.1`).catch(() => {
    // The disk is full, say: room is worth more than old output then.
  });
  await truncate(folder.log, 0);
}

/** A claim that is no JSON was torn by a power failure, which ended its process too. */
function parseClaim(text: string): ProcessRef | null {
  let stored: { pid?: unknown; processStartTime?: unknown };
  try {
    stored = JSON.parse(text);
  } catch {
    return null;
  }
  const { pid, processStartTime } = stored;
  if (typeof pid !== "number") return null;
  return { pid, startTime: typeof processStartTime === "number" ? processStartTime : null };
}

function asWorkerId(name: string): readonly WorkerId[] {
  try {
    return [parseWorkerId(name)];
  } catch {
    // Something else that somebody put there.
    return [];
  }
}

async function unlessMissing<Value>(reading: Promise<Value>): Promise<Value | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
