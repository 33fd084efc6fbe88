import { readdir, readFile } from "node:fs/promises";

/** The kernel counts processor time in this many units a second, on every Linux that Node.js runs on. */
const TICKS_PER_SECOND = 100;

/** The worker whose state is below `folder`. @throws Error if there is none */
export async function findWorkerPid(folder: string): Promise<number> {
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    // It may have ended, or be another user's.
    const environment = await readFile(`/proc/${name}/environ`, "utf8").catch(() => "");
    if (environment.includes(`HODEI_WORKER_STATE_DIR=${folder}`)) return Number(name);
  }
  throw new Error("the stack has no worker");
}

/** Processor time that a process has used, its own and the kernel's for it. Source: proc_pid_stat(5). */
export async function readCpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The second field is a name that may hold anything; fields are counted from the end of it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS_PER_SECOND;
}
