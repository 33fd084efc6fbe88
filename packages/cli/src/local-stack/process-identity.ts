import { readFile } from "node:fs/promises";

/** A process, so that another one that got its number later is not taken for it. */
export interface ProcessIdentity {
  readonly pid: number;
  /**
   * When it started, in clock ticks since boot; 0 where the system does not tell (no /proc). Then the number
   * alone has to do.
   */
  readonly startTicks: number;
}

/** Identity of the process with this number; `undefined` if there is none, or only a zombie. */
export async function identifyProcess(pid: number): Promise<ProcessIdentity | undefined> {
  if (!exists(pid)) return undefined;
  const startTicks = await readStartTicks(pid);
  if (startTicks === undefined && (await hasProc())) return undefined;
  return { pid, startTicks: startTicks ?? 0 };
}

/** Whether the process is alive; a zombie, which only waits for its parent, is not. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  if (!exists(identity.pid)) return false;
  const startTicks = await readStartTicks(identity.pid);
  if (startTicks === undefined) return !(await hasProc());
  return identity.startTicks === 0 || startTicks === identity.startTicks;
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it exists and is somebody else's.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Field 22 of /proc/<pid>/stat (proc_pid_stat(5)); `undefined` for no process, a zombie, or no /proc. */
async function readStartTicks(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => undefined);
  // The second field is the program's name in parentheses, which may itself hold spaces and parentheses.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields === undefined || fields[0] === "Z" || fields[0] === "X") return undefined;
  return Number(fields[22 - 3]);
}

async function hasProc(): Promise<boolean> {
  return (await readStartTicks(process.pid)) !== undefined;
}
