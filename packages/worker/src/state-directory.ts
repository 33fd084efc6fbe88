import { createHash } from "node:crypto";
import { chmod, mkdir, readdir, realpath } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { platform } from "node:os";
import { join } from "node:path";
import { PlatformError } from "@hodei/domain";
import type { Logger } from "pino";
import { removeDirectory } from "./attempt-directory.ts";
import { type AttemptUser, requireReach } from "./attempt-user.ts";
import { endOrphans } from "./processes/end-orphans.ts";

/** Where the private directories of attempts are made. */
export const attemptsPath = (stateDir: string): string => join(stateDir, "attempts");

/** A state directory that no other process uses. */
export interface HeldDirectory {
  release(): Promise<void>;
}

/**
 * Makes `stateDir` ready (mode 0700; 0711 when attempts run as `user`), takes it for this process, and ends and removes what attempts of an earlier process
 * left: its processes before this returns.
 * @throws PlatformError `failed_precondition`, reasons `state_dir_unusable` and `state_dir_taken`
 */
export async function holdStateDirectory(
  { log }: { log: Logger },
  stateDir: string,
  user?: AttemptUser,
): Promise<HeldDirectory> {
  const mode = user === undefined ? 0o700 : 0o711;
  try {
    await mkdir(attemptsPath(stateDir), { recursive: true, mode: 0o700 });
    for (const path of [stateDir, attemptsPath(stateDir)]) await chmod(path, mode);
  } catch (cause) {
    throw unusable(stateDir, cause);
  }
  if (user !== undefined) await requireReach(user, attemptsPath(stateDir));
  const lock = await lockDirectory(stateDir);
  const names = await endAttempts(stateDir, log);
  // Not waited for: a worker whose attempts left much behind starts no later. Names do not come twice.
  void removeAttempts(stateDir, names, log);
  return lock;
}

/**
 * A worker that starts holds no attempt, so whatever runs in the name of one belongs to nobody. Returns the names of the
 * attempts of which nothing runs any more; the others' directories stay for the next start.
 */
async function endAttempts(stateDir: string, log: Logger): Promise<readonly string[]> {
  const names = await readdir(attemptsPath(stateDir));
  if (names.length === 0) return names;
  const { endedCount, left } = await endOrphans(names);
  const facts = { attempts: names.length, processesEnded: endedCount, notEnded: left };
  log.warn({ event: "worker.leftovers_removed", ...facts });
  return names.filter((name) => !left.includes(name));
}

/** One that cannot be removed keeps no others. */
async function removeAttempts(
  stateDir: string,
  names: readonly string[],
  log: Logger,
): Promise<void> {
  for (const name of names) {
    const path = join(attemptsPath(stateDir), name);
    await removeDirectory({ path }).catch((err: unknown) =>
      log.error({ event: "worker.leftovers_kept", path, err }),
    );
  }
}

/**
 * Two workers with one identity would end each other's session for ever. The lock is a socket in Linux's abstract
 * namespace: the kernel drops it with the process, so it is never stale, as a file with a process id would be. Other
 * systems have no such namespace; there nothing guards the folder.
 */
async function lockDirectory(stateDir: string): Promise<HeldDirectory> {
  if (platform() !== "linux") return { release: async () => {} };
  const path = lockPath(await stateDirectoryId(stateDir));
  const server = createServer((socket) => socket.destroy()).unref();
  try {
    await listen(server, path);
  } catch (cause) {
    throw taken(stateDir, cause);
  }
  return { release: () => new Promise((resolve) => server.close(() => resolve())) };
}

/** Tells a state directory from all others of the machine; 64 hexadecimal digits. */
export async function stateDirectoryId(stateDir: string): Promise<string> {
  return createHash("sha256")
    .update(await realpath(stateDir))
    .digest("hex");
}

/** Whether a worker of this network namespace, whose sockets these are, runs on the state directory with this id. */
export function isStateDirectoryHeld(id: string): Promise<boolean> {
  const socket = connect(lockPath(id));
  return new Promise((resolve) => {
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
  }).then((isHeld) => {
    socket.destroy();
    return isHeld === true;
  });
}

const lockPath = (id: string): string => `\0hodei-worker-${id}`;

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => resolve());
  });
}

function unusable(stateDir: string, cause: unknown): PlatformError {
  return new PlatformError(
    "failed_precondition",
    "state_dir_unusable",
    `cannot use ${stateDir} for the worker's state: ${String(cause)}. Name a writable folder with HODEI_WORKER_STATE_DIR`,
    { cause },
  );
}

function taken(stateDir: string, cause: unknown): PlatformError {
  return new PlatformError(
    "failed_precondition",
    "state_dir_taken",
    `another worker runs on ${stateDir}: stop it, or give this one a folder of its own with HODEI_WORKER_STATE_DIR`,
    { cause },
  );
}
