import { createHash } from "node:crypto";
import { chmod, mkdir, readdir, realpath, rm } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { platform } from "node:os";
import { join } from "node:path";
import { PlatformError } from "@hodei/domain";
import type { Logger } from "pino";

/** Where the private directories of attempts are made. */
export const attemptsPath = (stateDir: string): string => join(stateDir, "attempts");

/** A state directory that no other process uses. */
export interface HeldDirectory {
  release(): Promise<void>;
}

/**
 * Makes `stateDir` ready (mode 0700), takes it for this process, and removes what attempts of an earlier process left.
 * @throws PlatformError `failed_precondition`, reasons `state_dir_unusable` and `state_dir_taken`
 */
export async function holdStateDirectory(
  { log }: { log: Logger },
  stateDir: string,
): Promise<HeldDirectory> {
  try {
    await mkdir(attemptsPath(stateDir), { recursive: true, mode: 0o700 });
    await chmod(stateDir, 0o700);
  } catch (cause) {
    throw unusable(stateDir, cause);
  }
  const lock = await lockDirectory(stateDir);
  // Not waited for: a worker whose attempts left much behind starts no later. Names do not come twice.
  clearAttempts(stateDir, log).catch((err) => log.error({ event: "worker.leftovers_kept", err }));
  return lock;
}

/** A worker that starts holds no attempt, so whatever is there belongs to nobody. */
async function clearAttempts(stateDir: string, log: Logger): Promise<void> {
  const names = await readdir(attemptsPath(stateDir));
  if (names.length > 0) log.warn({ event: "worker.leftovers_removed", attempts: names.length });
  for (const name of names) {
    await rm(join(attemptsPath(stateDir), name), { recursive: true, force: true });
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
