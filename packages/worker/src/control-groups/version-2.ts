import type { Usage } from "@hodei/domain";
import {
  type GroupFolder,
  type GroupLimits,
  measured,
  readCount,
  readField,
  readSetting,
  writeSetting,
} from "./group-folder.ts";

/** Controllers that are asked for; those that the machine does not hand down are done without. */
export const VERSION_2_CONTROLLERS = ["cpu", "memory", "pids", "io"] as const;

/** What the kernel takes as `cpu.weight`; 100 is one core's worth, so that the default share is the kernel's default. */
const WEIGHT = { min: 1, max: 10_000, perCore: 100 };
const PERIOD_US = 100_000;
const MIN_QUOTA_US = 1_000;

/** A group of version 2. Source: admin-guide/cgroup-v2 in the kernel's documentation. */
export function version2Folder(path: string, outsidePath: string): GroupFolder {
  const controllers = (readSetting(path, "cgroup.controllers") ?? "").trim().split(" ");
  const has = (name: (typeof VERSION_2_CONTROLLERS)[number]): boolean => controllers.includes(name);
  return {
    path,
    outsidePath,
    setLimits(limits) {
      if (has("cpu")) limitCpu(path, limits);
      if (has("memory") && limits.memoryBytes !== null) limitMemory(path, limits.memoryBytes);
      if (has("pids")) writeSetting(path, "pids.max", limits.pidsMax);
    },
    readUsage: () => ({
      // Of the groups of a kernel whose version 1 counts, `cpu.stat` is there too, and empty.
      ...(has("cpu") && measured("cpuMs", toMs(readField(path, "cpu.stat", "usage_usec")))),
      ...(has("memory") && measured("peakMemoryBytes", readCount(path, "memory.peak"))),
      ...(has("io") && readTraffic(path)),
    }),
    readOomKillCount: () => readField(path, "memory.events", "oom_kill") ?? 0,
    kill() {
      try {
        writeSetting(path, "cgroup.kill", 1);
      } catch {
        // There since Linux 5.14; without it the members are killed one by one.
      }
    },
  };
}

function limitCpu(path: string, { cpuMillis, isCpuCapped }: GroupLimits): void {
  const weight = Math.round((cpuMillis * WEIGHT.perCore) / 1000);
  writeSetting(path, "cpu.weight", Math.min(WEIGHT.max, Math.max(WEIGHT.min, weight)));
  if (!isCpuCapped) return;
  const quotaUs = Math.max(MIN_QUOTA_US, Math.round((cpuMillis * PERIOD_US) / 1000));
  writeSetting(path, "cpu.max", `${quotaUs} ${PERIOD_US}`);
}

function limitMemory(path: string, memoryBytes: number): void {
  writeSetting(path, "memory.max", memoryBytes);
  // Where swap is accounted for: else what is too much would go there.
  if (readSetting(path, "memory.swap.max") !== undefined) writeSetting(path, "memory.swap.max", 0);
}

const toMs = (us: number | undefined): number | undefined =>
  us === undefined ? undefined : Math.round(us / 1000);

/** Lines such as `8:0 rbytes=4096 wbytes=0 …`, one for each device. */
function readTraffic(path: string): Partial<Usage> {
  const text = readSetting(path, "io.stat");
  if (text === undefined) return {};
  const sum = (key: string): number =>
    [...text.matchAll(new RegExp(`\\b${key}=(\\d+)`, "g"))].reduce(
      (total, [, bytes]) => total + Number(bytes),
      0,
    );
  return { readBytes: sum("rbytes"), writtenBytes: sum("wbytes") };
}
