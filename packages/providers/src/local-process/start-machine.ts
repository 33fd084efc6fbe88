import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import { PlatformError } from "@hodei/domain";
import { type MachineFolder, readClaim } from "./machine-folder.ts";

/**
 * Runs in the new process before the worker does: `$0` is the path of the claim, `$1` the start of its JSON, the rest the
 * worker's command.
 *
 * The process records itself. A server that dies at any moment around the spawn therefore leaves either a process that
 * the claim names, or one that finds the claim taken, or its folder gone, and ends: never one that nobody knows of.
 * Descriptor 3 tells the server when either has happened: it closes.
 */
const CLAIM_AND_RUN = `
claim=$0 about=$1
shift
[ -x "$(command -v "$1")" ] || exit 127
read -r stat 2>/dev/null < "/proc/$$/stat" || stat=
started=$(set -- \${stat##*) }; printf %s "\${20:-null}")
printf '%s,"pid":%s,"processStartTime":%s}' "$about" "$$" "$started" > "$claim.$$" || exit 1
ln "$claim.$$" "$claim"
linked=$?
rm -f "$claim.$$"
[ "$linked" = 0 ] || exit 1
exec "$@" 3>&-
`;

/** How the script above ends when the command is no program. */
const NO_PROGRAM = 127;
const LOG_TAIL_CHARS = 500;

export interface Launch {
  /** The program, by absolute path or found in PATH, and its arguments. */
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Written into the claim for people. */
  readonly about: Readonly<Record<string, string>>;
}

/**
 * Starts the machine's process in a session of its own, so that it outlives this one; resolves once a process has claimed
 * the machine. Its output is appended to the machine's log.
 * @throws PlatformError `failed_precondition` if the command is no program, `unavailable` if the process ended at once;
 *   else the error of `spawn`
 */
export async function startMachine(folder: MachineFolder, launch: Launch): Promise<void> {
  const child = await start(folder, launch);
  // It may be the claim of another: a process that a server started which crashed while it did.
  if ((await readClaim(folder)) !== undefined) return;
  const end = await howItEnded(child);
  if (end === NO_PROGRAM) {
    throw new PlatformError(
      "failed_precondition",
      "worker_command_not_found",
      `cannot start a local worker: ${launch.command[0]} is no program that can be executed`,
    );
  }
  throw new PlatformError(
    "unavailable",
    "worker_not_started",
    `the local worker's process ended (${end}) before it had started: ${await logTail(folder)}`,
  );
}

async function start(folder: MachineFolder, { command, environment, about }: Launch) {
  const json = JSON.stringify(about).slice(0, -1);
  const log = await open(folder.log, "a", 0o600);
  try {
    const child = spawn("/bin/sh", ["-c", CLAIM_AND_RUN, folder.claim, json, ...command], {
      cwd: folder.path,
      env: environment,
      detached: true,
      stdio: ["ignore", log.fd, log.fd, "pipe"],
    });
    await descriptorClosed(child);
    child.unref();
    return child;
  } finally {
    await log.close();
  }
}

function descriptorClosed(child: ChildProcess): Promise<void> {
  const descriptor = child.stdio[3] as Readable;
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    descriptor.once("close", () => resolve()).resume();
  });
}

async function howItEnded(child: ChildProcess): Promise<number | string | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return child.exitCode ?? child.signalCode;
}

async function logTail(folder: MachineFolder): Promise<string> {
  return (await readFile(folder.log, "utf8")).trim().slice(-LOG_TAIL_CHARS);
}
