import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { platform, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { NO_LIMITS, readCgroupLimits } from "./cgroup-limits.ts";

const MIB = 1024 * 1024;
const V2 = "31 23 0:26 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw";
const V1_MEMORY = "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory";
const V1_CPU = "36 31 0:33 / /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct";

const skip = platform() !== "linux" && "control groups are Linux's";

describe("limits of control groups", { skip }, () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "hodei-cgroup-test-"));
  });
  after(() => rm(folder, { recursive: true }));

  /** Limits of a system whose files are `files`. */
  async function limitsOf(files: Readonly<Record<string, string>>) {
    const root = await mkdtemp(join(folder, "system-"));
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), `${content}\n`);
    }
    return readCgroupLimits(root);
  }

  test("version 2: the tightest on the way up, less what cannot be given up", async () => {
    const limits = await limitsOf({
      "proc/self/mountinfo": V2,
      "proc/self/cgroup": "0::/pod/worker",
      "sys/fs/cgroup/pod/worker/memory.max": "max",
      "sys/fs/cgroup/pod/worker/cpu.max": "150000 100000",
      "sys/fs/cgroup/pod/memory.max": `${512 * MIB}`,
      "sys/fs/cgroup/pod/memory.current": `${300 * MIB}`,
      "sys/fs/cgroup/pod/memory.stat": `anon 1\ninactive_file ${100 * MIB}`,
      "sys/fs/cgroup/pod/cpu.max": "max 100000",
    });
    const memory = { memoryBytes: 512 * MIB, memoryFreeBytes: 312 * MIB };
    assert.deepEqual(limits, { cpuMillis: 1_500, ...memory });
  });

  test("version 1: each controller by itself, the host's path cut to what is mounted", async () => {
    const limits = await limitsOf({
      "proc/self/mountinfo": `${V1_MEMORY}\n${V1_CPU}`,
      "proc/self/cgroup": "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n3:pids:/docker/abc",
      "sys/fs/cgroup/memory/memory.limit_in_bytes": `${64 * MIB}`,
      "sys/fs/cgroup/memory/memory.usage_in_bytes": `${60 * MIB}`,
      "sys/fs/cgroup/memory/memory.stat": `inactive_file 1\ntotal_inactive_file ${10 * MIB}`,
      "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "50000",
      "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000",
    });
    const memory = { memoryBytes: 64 * MIB, memoryFreeBytes: 14 * MIB };
    assert.deepEqual(limits, { cpuMillis: 500, ...memory });
  });

  test("no limit, however it is written, and no controller at all", async () => {
    const unlimited = await limitsOf({
      "proc/self/mountinfo": `${V1_MEMORY.replace("/docker/abc", "/")}\n${V1_CPU}\n${V2}`,
      "proc/self/cgroup": "5:memory:/\n4:cpu,cpuacct:/\n0::/../../elsewhere",
      "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
      "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
      "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
    });
    assert.deepEqual(unlimited, NO_LIMITS);
  });
});
