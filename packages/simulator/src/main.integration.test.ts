import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));

function run(...args: string[]) {
  const conditions = "--conditions=@hodei/source";
  return spawnSync(process.execPath, [conditions, MAIN, ...args], { encoding: "utf8" });
}

test("figures are printed, and the exit code says that all is well", () => {
  const { status, stdout } = run("--seeds", "2", "--from", "5");
  assert.equal(status, 0);
  assert.match(stdout, /^2 seeds, none broke a promise; \d+ jobs, \d+ attempts, \d+ faults, /);
});

test("one seed shows its trace", () => {
  const { status, stdout } = run("--seed", "5", "--trace");
  assert.equal(status, 0);
  assert.match(stdout, /commit +job\.created 1 /);
  assert.match(stdout, /\nseed 5 breaks no promise\n$/);
});

test("what is not understood is said, with the usage", () => {
  for (const args of [
    ["--seeds", "many"],
    ["--seeds", "0"],
    ["--threads", "0"],
    ["--shrink"],
    ["--nothing"],
    ["7"],
  ]) {
    const { status, stderr } = run(...args);
    assert.equal(status, 2);
    assert.match(stderr, /usage: npm run sim/);
  }
});
