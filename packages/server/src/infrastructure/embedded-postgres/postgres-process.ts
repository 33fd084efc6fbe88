import { execFile } from "node:child_process";
import { readdir, readlink, realpath } from "node:fs/promises";
import { kill } from "node:process";
import { promisify } from "node:util";
import { isSystemError } from "./embedded-postgres-error.ts";
import { exists } from "./folders.ts";

const run = promisify(execFile);

/**
 * Whether process `pid` is alive and a PostgreSQL that works on `pgdata`, and not another one that was
 * given the same number later. A process that ended but was not collected by its parent is not alive.
 */
export async function isPostgresOf(pid: number, pgdata: string): Promise<boolean> {
  try {
    if (await hasProcFolder()) {
      const [program, workingDir] = await Promise.all([
        readlink(`/proc/${pid}/exe`),
        readlink(`/proc/${pid}/cwd`),
      ]);
      // The program's name ends in " (deleted)" after an upgrade.
      return /\/postgres( |$)/.test(program) && workingDir === (await realpath(pgdata));
    }
    const { stdout } = await run("ps", ["-ww", "-o", "stat=,command=", "-p", String(pid)]);
    return !stdout.startsWith("Z") && stdout.includes(`/postgres -D ${pgdata} `);
  } catch {
    return false; // no such process, or one of another account, which ours is not
  }
}

/**
 * Ends the processes that serve connections for a main process that is gone. They leave by
 * themselves, but not before their query is done. Without /proc (macOS) it is left at that.
 */
export async function killOrphans(pgdata: string): Promise<void> {
  if (!(await hasProcFolder())) return;
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  for (const pid of pids) {
    if (await isPostgresOf(pid, pgdata)) sendSignal(pid, "SIGKILL");
  }
}

/** To a process that may just have ended. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    kill(pid, signal);
  } catch (error) {
    if (!isSystemError(error, "ESRCH")) throw error;
  }
}

const hasProcFolder = (): Promise<boolean> => exists("/proc/self/exe");
