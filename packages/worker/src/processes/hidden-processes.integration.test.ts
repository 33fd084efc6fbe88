import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { test } from "node:test";

const SCAN = `
const { ProcessTable } = await import(process.argv[1]);
const found = await new ProcessTable({ isOlderIncluded: true }).scan();
console.log("found", found.length > 0);
`;

/** Its own mount of /proc hides what belongs to others; needs root to be made. */
const hidden = (hidepid: number) => [
  "-m",
  "sh",
  "-c",
  `mount -t proc -o hidepid=${hidepid} proc /proc && exec setpriv --reuid 65534 --regid 65534 --clear-groups sh -c 'sleep 5 >/dev/null 2>&1 & "$@"' sh "$@"`,
  "sh",
];

for (const hidepid of [1, 2]) {
  test(`processes are listed where /proc hides those of others (hidepid=${hidepid})`, (context) => {
    if (process.getuid?.() !== 0) return context.skip("needs root");
    const words = [
      process.execPath,
      "--conditions=@hodei/source",
      "--input-type=module",
      "-e",
      SCAN,
    ];
    const table = new URL("./process-table.ts", import.meta.url).href;
    const { stdout, stderr } = spawnSync("unshare", [...hidden(hidepid), ...words, table], {
      encoding: "utf8",
      cwd: "/",
    });
    assert.equal(stdout, "found true\n", stderr);
  });
}
