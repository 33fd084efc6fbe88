import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { findHierarchies } from "./hierarchies.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "hodei-worker-test-"));
  mkdirSync(join(root, "proc/self"), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function describeMachine(mountinfo: readonly string[], cgroup: readonly string[]): void {
  writeFileSync(join(root, "proc/self/mountinfo"), mountinfo.map((line) => `${line}\n`).join(""));
  writeFileSync(join(root, "proc/self/cgroup"), cgroup.map((line) => `${line}\n`).join(""));
}

test("version 2 alone, as on today's distributions", () => {
  describeMachine(
    ["30 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"],
    ["0::/system.slice/hodei.service"],
  );
  assert.deepEqual(findHierarchies(root), [
    {
      version: 2,
      controllers: [],
      ownPath: join(root, "sys/fs/cgroup/system.slice/hodei.service"),
    },
  ]);
});

test("version 1 with version 2 beside it; hierarchies without controllers are left out", () => {
  describeMachine(
    [
      "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct",
      "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
      "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd",
      "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
    ],
    ["9:name=systemd:/", "4:memory:/a", "1:cpu,cpuacct:/", "0::/"],
  );
  assert.deepEqual(findHierarchies(root), [
    { version: 1, controllers: ["memory"], ownPath: join(root, "sys/fs/cgroup/memory/a") },
    {
      version: 1,
      controllers: ["cpu", "cpuacct"],
      ownPath: join(root, "sys/fs/cgroup/cpu,cpuacct"),
    },
    { version: 2, controllers: [], ownPath: join(root, "sys/fs/cgroup/unified") },
  ]);
});

test("in a container that sees its own group as the mount's root", () => {
  describeMachine(
    ["32 31 0:29 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory"],
    ["4:memory:/docker/abc", "3:pids:/docker/abc"],
  );
  const [memory, ...others] = findHierarchies(root);
  assert.equal(memory?.ownPath, join(root, "sys/fs/cgroup/memory"));
  assert.deepEqual(others, []);
  describeMachine(
    ["32 31 0:29 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory"],
    ["4:memory:/elsewhere"],
  );
  assert.equal(findHierarchies(root)[0]?.ownPath, join(root, "sys/fs/cgroup/memory"));
});
