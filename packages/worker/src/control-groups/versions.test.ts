import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { version1Folder } from "./version-1.ts";
import { version2Folder } from "./version-2.ts";

const GIB = 1024 * 1024 * 1024;
const limits = { cpuMillis: 1500, isCpuCapped: true, memoryBytes: GIB, pidsMax: 100 };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hodei-worker-test-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const put = (file: string, text: string): void => writeFileSync(join(folder, file), text);
const got = (file: string): string => readFileSync(join(folder, file), "utf8");

describe("version 1", () => {
  const all = ["cpu", "cpuacct", "memory", "pids", "blkio"];

  test("writes limits in its own units", () => {
    put("memory.memsw.limit_in_bytes", "max");
    version1Folder(folder, "/", all).setLimits(limits);
    assert.equal(got("cpu.shares"), "1536");
    assert.equal(got("cpu.cfs_quota_us"), "150000");
    assert.equal(got("memory.limit_in_bytes"), `${GIB}`);
    assert.equal(got("memory.memsw.limit_in_bytes"), `${GIB}`);
    assert.equal(got("pids.max"), "100");
  });

  test("writes only what its hierarchy has, and no limit that nobody wants", () => {
    version1Folder(folder, "/", ["memory"]).setLimits({ ...limits, memoryBytes: null });
    version1Folder(folder, "/", ["cpu"]).setLimits({ ...limits, isCpuCapped: false });
    assert.equal(existsSync(join(folder, "memory.limit_in_bytes")), false);
    assert.equal(existsSync(join(folder, "pids.max")), false);
    assert.equal(existsSync(join(folder, "cpu.cfs_quota_us")), false);
    assert.equal(got("cpu.shares"), "1536");
  });

  test("reads what was used, and who was killed for memory", () => {
    put("cpuacct.usage", "2500000000\n");
    put("memory.max_usage_in_bytes", "4096\n");
    put(
      "blkio.throttle.io_service_bytes",
      "8:0 Read 100\n8:0 Write 7\n8:0 Total 107\n8:16 Read 11\nTotal 118\n",
    );
    put("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
    const group = version1Folder(folder, "/", all);
    const usage = { cpuMs: 2500, peakMemoryBytes: 4096, readBytes: 111, writtenBytes: 7 };
    assert.deepEqual(group.readUsage(), usage);
    assert.equal(group.readOomKillCount(), 2);
    assert.deepEqual(version1Folder(folder, "/", ["pids"]).readUsage(), {});
  });
});

describe("version 2", () => {
  beforeEach(() => put("cgroup.controllers", "cpuset cpu io memory pids\n"));

  test("writes limits in its own units", () => {
    put("memory.swap.max", "max");
    version2Folder(folder, "/").setLimits(limits);
    assert.equal(got("cpu.weight"), "150");
    assert.equal(got("cpu.max"), "150000 100000");
    assert.equal(got("memory.max"), `${GIB}`);
    assert.equal(got("memory.swap.max"), "0");
    assert.equal(got("pids.max"), "100");
  });

  test("does without controllers that were not handed down", () => {
    put("cgroup.controllers", "\n");
    put("cpu.stat", "usage_usec 5\n");
    const group = version2Folder(folder, "/");
    group.setLimits(limits);
    assert.equal(existsSync(join(folder, "pids.max")), false);
    assert.deepEqual(group.readUsage(), {});
    assert.equal(group.readOomKillCount(), 0);
  });

  test("reads what was used, and who was killed for memory", () => {
    put("cpu.stat", "usage_usec 2500400\nuser_usec 1\n");
    put("memory.peak", "4096\n");
    put("io.stat", "8:0 rbytes=100 wbytes=7 rios=1\n8:16 rbytes=11 wbytes=0 rios=1\n");
    put("memory.events", "low 0\noom 3\noom_kill 2\noom_group_kill 0\n");
    const group = version2Folder(folder, "/");
    const usage = { cpuMs: 2500, peakMemoryBytes: 4096, readBytes: 111, writtenBytes: 7 };
    assert.deepEqual(group.readUsage(), usage);
    assert.equal(group.readOomKillCount(), 2);
  });
});
