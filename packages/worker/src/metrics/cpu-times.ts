import { readFile } from "node:fs/promises";
import { cpus, platform } from "node:os";

/** Time of all cores together since the machine started; the unit cancels out in `utilization`. */
export interface CpuTimes {
  readonly busy: number;
  readonly total: number;
}

/** Node's own table of cores is not asked on Linux: it reads several files per core, and blocks while it does. */
export async function readCpuTimes(): Promise<CpuTimes> {
  if (platform() === "linux") return parseCpuTimes(await readFile("/proc/stat", "utf8"));
  const times = cpus().map(({ times: { user, nice, sys, irq, idle } }) => {
    const busy = user + nice + sys + irq;
    return { busy, total: busy + idle };
  });
  return {
    busy: times.reduce((sum, { busy }) => sum + busy, 0),
    total: times.reduce((sum, { total }) => sum + total, 0),
  };
}

/**
 * The `cpu` line of `/proc/stat`: user nice system idle iowait irq softirq steal guest guest_nice. A guest's time is in
 * user's already, and waiting for a disk uses no core. Source: proc_stat(5).
 */
export function parseCpuTimes(stat: string): CpuTimes {
  const line = stat.slice(0, stat.indexOf("\n"));
  const times = line.trim().split(/\s+/).slice(1, 9).map(Number);
  const total = times.reduce((sum, time) => sum + time, 0);
  const [idle = 0, iowait = 0] = times.slice(3, 5);
  return { busy: total - idle - iowait, total };
}

/** Share of all cores in use from one reading to a later one, 0 to 1; 0 if no time has passed. */
export function utilization(from: CpuTimes, to: CpuTimes): number {
  const total = to.total - from.total;
  if (total <= 0) return 0;
  // iowait may go back a little, which must not make a share that is none.
  return Math.min(1, Math.max(0, (to.busy - from.busy) / total));
}
