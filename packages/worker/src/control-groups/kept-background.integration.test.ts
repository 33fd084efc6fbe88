import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { waitFor } from "@hodei/testkit";
import { isAlive } from "../../test/is-alive.ts";

/** A worker with an attempt that leaves a process behind, as `keep_background` allows; then it is gone. */
const LEAVE_ONE = `
import { spawn } from "node:child_process";
const { ControlGroups } = await import(process.argv[1]);
const groups = await ControlGroups.open({ log: { warn() {} } });
const { pid } = spawn("sleep", ["60"], { detached: true, stdio: "ignore" });
const group = groups.create();
await group.add(pid);
group.release([pid]);
await group.remove();
console.log(pid);
process.exit();
`;
const START_ANEW = `
const { ControlGroups } = await import(process.argv[1]);
(await ControlGroups.open({ log: { warn() {} } })).close();
`;

/** Where version 2 is mounted, alone or beside version 1. */
const findRoot = (): string | undefined =>
  / (\/\S+) cgroup2 /.exec(readFileSync("/proc/mounts", "utf8"))?.[1];

/** Whether `path` and all groups below could be removed. */
function removeGroups(path: string): boolean {
  const below = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  if (!below.every(({ name }) => removeGroups(join(path, name)))) return false;
  try {
    rmdirSync(path);
    return true;
  } catch {
    return false;
  }
}

test("a process that a spec lets live outlives a restart of its worker, in version 2 too", (context) => {
  const root = findRoot();
  if (process.getuid?.() !== 0 || root === undefined)
    return context.skip("needs root, and version 2");
  // As systemd gives a service one: the worker has it to itself.
  const path = join(root, `hodei-test-kept-${process.pid}`);
  mkdirSync(path);
  const run = (code: string): string => {
    const module = new URL("./control-groups.ts", import.meta.url).href;
    const words = [
      process.execPath,
      "--conditions=@hodei/source",
      "--input-type=module",
      "-e",
      code,
    ];
    const enter = `echo 0 > ${path}/cgroup.procs && exec "$@"`;
    const { stdout, stderr, status } = spawnSync("sh", ["-c", enter, "sh", ...words, module], {
      encoding: "utf8",
    });
    assert.equal(status, 0, stderr);
    return stdout;
  };
  const pid = Number(run(LEAVE_ONE));
  context.after(async () => {
    if (isAlive(pid)) process.kill(pid, "SIGKILL");
    // A group is busy until the kernel has let its last process go.
    await waitFor(() => removeGroups(path), { what: "empty groups" });
  });
  assert.ok(isAlive(pid), "it lives when its worker has gone");
  run(START_ANEW);
  assert.ok(isAlive(pid), "the next worker has killed it");
});
