import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { test } from "node:test";

const OPEN = `
const { ControlGroups } = await import(process.argv[1]);
const events = [];
const groups = await ControlGroups.open({ log: { warn: ({ event }) => events.push(event) } });
const group = groups.create();
console.log(JSON.stringify({ hasGroup: group !== undefined, usage: group?.readUsage() ?? null, events }));
await group?.remove();
groups.close();
`;

/**
 * Only version 2, in a group that is not the worker's alone, or that was given no controllers: as for whoever starts
 * `hodei dev` or `hodei worker` in a terminal.
 */
const ONLY_VERSION_2 = `
awk '$3 == "cgroup" { print $2 }' /proc/mounts | while read -r path; do umount "$path"; done
"$@"
exit $?`;

test("a worker whose groups have no limits says so", (context) => {
  if (process.getuid?.() !== 0) return context.skip("needs root");
  const words = [process.execPath, "--conditions=@hodei/source", "--input-type=module", "-e", OPEN];
  const module = new URL("./control-groups.ts", import.meta.url).href;
  const { stdout, stderr } = spawnSync(
    "unshare",
    ["-m", "sh", "-c", ONLY_VERSION_2, "sh", ...words, module],
    { encoding: "utf8" },
  );
  assert.notEqual(stdout, "", stderr);
  const { hasGroup, usage, events } = JSON.parse(stdout);
  if (!hasGroup || usage !== null) return context.skip("no version 2, or one with controllers");
  assert.ok(events.includes("worker.no_control_groups"), stdout);
});
