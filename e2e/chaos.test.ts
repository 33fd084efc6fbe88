import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { waitFor } from "@hodei/testkit";

const CHAOS = fileURLToPath(new URL("../tools/chaos/main.ts", import.meta.url));
const START_TIMEOUT_MS = 120_000;

test("a chaos run that is interrupted leaves no process and no folder", async (context) => {
  const args = ["--conditions=@hodei/source", CHAOS, "worker", "--minutes", "5", "--seed", "1"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  context.after(() => child.kill("SIGKILL"));
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  await waitFor(() => output.includes("jobs and faults begin") || child.exitCode !== null, {
    timeoutMs: START_TIMEOUT_MS,
    what: "the beginning of the run",
  });
  const folder = /: in (\S+)$/m.exec(output)?.[1] ?? "";
  assert.ok(existsSync(folder), output);
  // A job has begun to write, so there are processes of every kind.
  await waitFor(() => readdirSync(`${folder}/progress`).length > 0, {
    timeoutMs: START_TIMEOUT_MS,
  });
  child.kill("SIGINT");
  const [code] = await once(child, "exit");
  assert.equal(code, 130);
  assert.equal(existsSync(folder), false, "the folder is gone");
  assert.deepEqual(processesThatKnow(folder), []);
});

/** Command lines of processes that have `folder` in their arguments or environment. */
function processesThatKnow(folder: string): readonly string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => read(`/proc/${pid}/cmdline`) + read(`/proc/${pid}/environ`))
    .filter((facts) => facts.includes(folder));
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // Gone, or another user's.
  }
}
