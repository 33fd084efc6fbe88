import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";

/** A process, told apart from a later one that got the same number. */
export interface ProcessRef {
  readonly pid: number;
  /** Clock ticks from boot to its start; `null`: not known, as where the system has no `/proc`. */
  readonly startTime: number | null;
}

interface ProcessStat {
  readonly state: string;
  readonly groupId: number;
  readonly startTime: number;
}

const HAS_PROC = existsSync("/proc/self/stat");

/** Whether the process exists and is no zombie. Without `/proc`, whether its number is in use. */
export async function isRunning(process: ProcessRef): Promise<boolean> {
  if (!HAS_PROC) return signal(process.pid, 0);
  const stat = await readStat(process.pid);
  if (stat === undefined || !isLive(stat)) return false;
  return process.startTime === null || process.startTime === stat.startTime;
}

/** Whether the group has a member that is no zombie. */
export async function isGroupRunning(groupId: number): Promise<boolean> {
  if (!signal(-groupId, 0)) return false;
  if (!HAS_PROC) return true;
  const stats = await Promise.all((await listPids()).map(readStat));
  return stats.some((stat) => stat?.groupId === groupId && isLive(stat));
}

/**
 * Processes whose environment, as it was at their start, has one of the `NAME=VALUE` entries; of an entry that ends in
 * `/`, the value need only begin so. Zombies have no environment, so none is among them. Empty without `/proc`.
 */
export async function findByEnvironment(entries: readonly string[]): Promise<readonly number[]> {
  if (!HAS_PROC) return [];
  const needles = entries.map((entry) => `\0${entry}${entry.endsWith("/") ? "" : "\0"}`);
  const pids = await listPids();
  const carries = await Promise.all(
    pids.map(async (pid) => {
      const environment = await readProc(pid, "environ");
      const haystack = `\0${environment ?? ""}\0`;
      return needles.some((needle) => haystack.includes(needle));
    }),
  );
  return pids.filter((_, index) => carries[index]);
}

/**
 * Sends a signal to a process, or to a group if `target` is negative; 0 only looks. Returns whether there was somebody to
 * get it.
 */
export function signal(target: number, name: NodeJS.Signals | 0): boolean {
  try {
    process.kill(target, name);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ESRCH") return false;
    // It exists, but belongs to another user: we did not start it.
    if (code === "EPERM") return name === 0;
    throw error;
  }
}

async function listPids(): Promise<readonly number[]> {
  return (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
}

/** Fields of `/proc/<pid>/stat`, counted after the name, which may hold spaces and brackets. Source: proc_pid_stat(5). */
async function readStat(pid: number): Promise<ProcessStat | undefined> {
  const text = await readProc(pid, "stat");
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "", groupId: Number(fields[2]), startTime: Number(fields[19]) };
}

async function readProc(pid: number, file: "stat" | "environ"): Promise<string | undefined> {
  try {
    return await readFile(`/proc/${pid}/${file}`, "utf8");
  } catch {
    // Gone meanwhile, or not ours to read; either way it is none of our processes.
    return undefined;
  }
}

function isLive(stat: ProcessStat): boolean {
  return stat.state !== "Z" && stat.state !== "X";
}
