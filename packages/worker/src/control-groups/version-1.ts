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

/** Controllers that are of use here; one hierarchy may have several. */
export const VERSION_1_CONTROLLERS = ["cpu", "cpuacct", "memory", "pids", "blkio"] as const;

/** What the kernel takes as `cpu.shares`; 1024 is one core's worth. */
const SHARES = { min: 2, max: 262_144, perCore: 1024 };
/** Over which a quota is counted, and the least that it may be. Source: sched-bwc in the kernel's documentation. */
const PERIOD_US = 100_000;
const MIN_QUOTA_US = 1_000;
const NS_PER_MS = 1_000_000;

/** A group of version 1, in a hierarchy with `controllers`. Source: admin-guide/cgroup-v1 in the kernel's documentation. */
export function version1Folder(
  path: string,
  outsidePath: string,
  controllers: readonly string[],
): GroupFolder {
  const has = (name: (typeof VERSION_1_CONTROLLERS)[number]): boolean => controllers.includes(name);
  return {
    path,
    outsidePath,
    setLimits(limits) {
      if (has("cpu")) limitCpu(path, limits);
      if (has("memory") && limits.memoryBytes !== null) limitMemory(path, limits.memoryBytes);
      if (has("pids")) writeSetting(path, "pids.max", limits.pidsMax);
    },
    readUsage: () => ({
      ...(has("cpuacct") && measured("cpuMs", toMs(readCount(path, "cpuacct.usage")))),
      ...(has("memory") &&
        measured("peakMemoryBytes", readCount(path, "memory.max_usage_in_bytes"))),
      ...(has("blkio") && readTraffic(path)),
    }),
    readOomKillCount: () => readField(path, "memory.oom_control", "oom_kill") ?? 0,
    // Version 1 has no such thing; its freezer would keep the members from dying.
    kill: () => {},
  };
}

function limitCpu(path: string, { cpuMillis, isCpuCapped }: GroupLimits): void {
  const shares = Math.round((cpuMillis * SHARES.perCore) / 1000);
  writeSetting(path, "cpu.shares", Math.min(SHARES.max, Math.max(SHARES.min, shares)));
  if (!isCpuCapped) return;
  writeSetting(path, "cpu.cfs_period_us", PERIOD_US);
  const quotaUs = Math.round((cpuMillis * PERIOD_US) / 1000);
  writeSetting(path, "cpu.cfs_quota_us", Math.max(MIN_QUOTA_US, quotaUs));
}

function limitMemory(path: string, memoryBytes: number): void {
  writeSetting(path, "memory.limit_in_bytes", memoryBytes);
  // Memory and swap together, where swap is accounted for: else what is too much would go to swap.
  if (readSetting(path, "memory.memsw.limit_in_bytes") !== undefined) {
    writeSetting(path, "memory.memsw.limit_in_bytes", memoryBytes);
  }
}

const toMs = (ns: number | undefined): number | undefined =>
  ns === undefined ? undefined : Math.round(ns / NS_PER_MS);

/** Lines such as `8:0 Read 4096`, one for each device and direction. */
function readTraffic(path: string): Partial<Usage> {
  const text = readSetting(path, "blkio.throttle.io_service_bytes");
  if (text === undefined) return {};
  const sum = (direction: string): number =>
    [...text.matchAll(new RegExp(`^\\S+ ${direction} (\\d+)$`, "gm"))].reduce(
      (total, [, bytes]) => total + Number(bytes),
      0,
    );
  return { readBytes: sum("Read"), writtenBytes: sum("Write") };
}
