import { readFile } from "node:fs/promises";
import { freemem, loadavg, platform } from "node:os";
import type { DiskUsage } from "@hodei/domain";
import { type CgroupLimits, readCgroupLimits } from "./cgroup-limits.ts";
import { type CpuTimes, readCpuTimes } from "./cpu-times.ts";
import { readDisks } from "./disks.ts";
import { type NetworkTotals, readNetwork } from "./network.ts";

/** What never keeps its reader waiting. */
export interface UseReading {
  readonly cpu: CpuTimes;
  readonly limits: CgroupLimits;
}

/** One look at the machine. */
export interface MachineReading extends UseReading {
  /** Averages over 1, 5 and 15 minutes. */
  readonly load: readonly number[];
  /** Within the limits. */
  readonly memoryAvailableBytes: number;
  readonly disks: readonly DiskUsage[];
  readonly network: NetworkTotals;
}

/** A part of `readMachine`. */
export async function readUse(): Promise<UseReading> {
  const [cpu, limits] = await Promise.all([readCpuTimes(), readCgroupLimits()]);
  return { cpu, limits };
}

/** Reads files of the kernel; blocks no event loop. Elsewhere than on Linux, disks and network are not measured. */
export async function readMachine(): Promise<MachineReading> {
  const load = loadavg();
  if (platform() !== "linux") {
    const network = { receivedBytes: 0, sentBytes: 0 };
    const use = await readUse();
    return { ...use, load, memoryAvailableBytes: freemem(), disks: [], network };
  }
  const [use, availableBytes, disks, network] = await Promise.all([
    readUse(),
    readMemoryAvailable(),
    readDisks(),
    readNetwork(),
  ]);
  const memoryAvailableBytes = Math.min(availableBytes, use.limits.memoryFreeBytes);
  return { ...use, load, memoryAvailableBytes, disks, network };
}

/** The kernel's own estimate of what can be had without swapping. Source: proc_meminfo(5). */
async function readMemoryAvailable(): Promise<number> {
  const text = await readFile("/proc/meminfo", "utf8");
  const kibibytes = /^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1];
  return kibibytes === undefined ? freemem() : Number(kibibytes) * 1024;
}
