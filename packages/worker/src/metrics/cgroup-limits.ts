import { readFile } from "node:fs/promises";
import { platform } from "node:os";
import { join, relative } from "node:path";
import { type Mount, readMounts } from "./mount-table.ts";

/** What the control groups of this process leave it; `Infinity` where they set no limit. */
export interface CgroupLimits {
  /** Thousandths of a core, by quota. */
  readonly cpuMillis: number;
  readonly memoryBytes: number;
  /** What is free of that, counting as free what the kernel would give up: the cache not lately used. */
  readonly memoryFreeBytes: number;
}

export const NO_LIMITS: CgroupLimits = {
  cpuMillis: Number.POSITIVE_INFINITY,
  memoryBytes: Number.POSITIVE_INFINITY,
  memoryFreeBytes: Number.POSITIVE_INFINITY,
};

/**
 * The tightest limits from this process's groups up to the root, in version 2, 1 or both at once: a limit holds for
 * everything below it, so a container's own group may say "max" and still be bound. Node's `constrainedMemory` looks at
 * the lowest group only. `systemRoot` is `/` but in tests.
 */
export async function readCgroupLimits(systemRoot = "/"): Promise<CgroupLimits> {
  if (platform() !== "linux") return NO_LIMITS;
  const [mounts, groups] = await Promise.all([
    readMounts(systemRoot),
    readFile(join(systemRoot, "proc/self/cgroup"), "utf8"),
  ]);
  let limits = NO_LIMITS;
  for (const { version, controller, path } of parseGroups(groups)) {
    const mount = mounts.find((candidate) => serves(candidate, version, controller));
    if (mount === undefined) continue;
    for (const folder of foldersUpward(mount, path)) {
      limits = tightest(limits, await READERS[version](join(systemRoot, folder)));
    }
  }
  return limits;
}

type Version = 1 | 2;

interface Group {
  readonly version: Version;
  /** Empty in version 2, where one group has all. */
  readonly controller: string;
  readonly path: string;
}

/** `hierarchy:controller,controller:path`; version 2 has hierarchy 0 and no controllers. Source: cgroups(7). */
function parseGroups(text: string): Group[] {
  return text.split("\n").flatMap((line): Group[] => {
    const [hierarchy, controllers, ...rest] = line.split(":");
    const path = rest.join(":");
    if (hierarchy === "0") return [{ version: 2, controller: "", path }];
    return (controllers ?? "")
      .split(",")
      .filter((controller) => controller === "memory" || controller === "cpu")
      .map((controller) => ({ version: 1, controller, path }));
  });
}

function serves({ type, options }: Mount, version: Version, controller: string): boolean {
  return version === 2 ? type === "cgroup2" : type === "cgroup" && options.includes(controller);
}

/** The group's folder and those above it, as far as they are mounted here. */
function foldersUpward({ root, mountPoint }: Mount, path: string): string[] {
  const below = relative(root, path);
  // In a container without a namespace of its own, the path is the host's and may lie outside of what is mounted.
  const names = below === "" || below.startsWith("..") ? [] : below.split("/");
  return [...names, ""].map((_, index) =>
    join(mountPoint, ...names.slice(0, names.length - index)),
  );
}

const READERS: Readonly<Record<Version, (folder: string) => Promise<CgroupLimits>>> = {
  1: async (folder) => {
    const [quotaUs, periodUs, memory] = await Promise.all([
      readNumber(join(folder, "cpu.cfs_quota_us")),
      readNumber(join(folder, "cpu.cfs_period_us")),
      readMemory(folder, "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ]);
    // -1 stands for no quota.
    const hasQuota = Number.isFinite(quotaUs) && quotaUs > 0;
    return { ...memory, cpuMillis: hasQuota ? toMillis(quotaUs, periodUs) : Infinity };
  },
  2: async (folder) => {
    const [cpuMax, memory] = await Promise.all([
      readIfThere(join(folder, "cpu.max")),
      readMemory(folder, "memory.max", "memory.current"),
    ]);
    const [quota = "max", period] = (cpuMax ?? "").trim().split(" ");
    const hasQuota = /^\d+$/.test(quota);
    return { ...memory, cpuMillis: hasQuota ? toMillis(Number(quota), Number(period)) : Infinity };
  },
};

/** Memory limits beyond this are none: version 1 says "no limit" as 2^63 rounded down to a page. */
const NO_LIMIT_BYTES = 2 ** 60;

async function readMemory(folder: string, limitFile: string, usageFile: string) {
  const memoryBytes = await readNumber(join(folder, limitFile));
  if (!(memoryBytes < NO_LIMIT_BYTES)) return NO_LIMITS;
  const [usedBytes, stat] = await Promise.all([
    readNumber(join(folder, usageFile)),
    readIfThere(join(folder, "memory.stat")),
  ]);
  const inactive = /^(?:total_)?inactive_file (\d+)$/gm;
  // Version 1 lists the group's own first and then, as total, that of the groups below too.
  const cacheBytes = Number([...(stat ?? "").matchAll(inactive)].at(-1)?.[1] ?? 0);
  const heldBytes = Math.max(0, usedBytes - cacheBytes);
  return { memoryBytes, memoryFreeBytes: Math.max(0, memoryBytes - heldBytes) };
}

const toMillis = (quotaUs: number, periodUs: number): number =>
  Math.max(1, Math.floor((quotaUs / periodUs) * 1000));

function tightest(a: CgroupLimits, b: CgroupLimits): CgroupLimits {
  return {
    cpuMillis: Math.min(a.cpuMillis, b.cpuMillis),
    memoryBytes: Math.min(a.memoryBytes, b.memoryBytes),
    memoryFreeBytes: Math.min(a.memoryFreeBytes, b.memoryFreeBytes),
  };
}

/** `Infinity` for a file that is not there, and for "max". */
async function readNumber(path: string): Promise<number> {
  const text = (await readIfThere(path))?.trim() ?? "max";
  return text === "max" ? Number.POSITIVE_INFINITY : Number(text);
}

/** A root group has no limits, and a group without the controller none of its files. */
async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch {
    // Unreadable is like not there: what is not known binds nothing.
    return undefined;
  }
}
