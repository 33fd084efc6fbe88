import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type FileResult, runFile } from "./run-file.ts";

describe("runFile", () => {
  let root: string;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), "hodei-test-run-"));
  });

  after(async () => {
    await rm(root, { recursive: true });
  });

  test("reports passes, failures and skips, and what the file printed", async () => {
    const result = await run(`
      test("a", () => console.log("hello"));
      test("b", () => { throw new Error("broken") });
      test("c", { skip: "needs the moon" }, () => {});`);
    assert.equal(result.passedCount, 1);
    assert.equal(result.failedCount, 1);
    assert.deepEqual([...result.skipped], [["needs the moon", 1]]);
    assert.match(result.output, /hello/);
    assert.match(result.output, /broken/);
  });

  test("a file that throws while it is loaded has failed", async () => {
    const result = await run("throw new Error('early')");
    assert.equal(result.failedCount, 1);
    assert.match(result.output, /early/);
  });

  test("a file without tests has failed", async () => {
    const result = await run("");
    assert.deepEqual(result.faults, ["it has no tests"]);
  });

  test("a file that hangs is killed and named with its last test", async () => {
    const hang = `test("waits for ever", () => new Promise(() => setInterval(() => {}, 1000)));`;
    const result = await run(hang, { timeoutMs: 1_000 });
    assert.deepEqual(result.faults, ['killed after 1 s, in or after "waits for ever"']);
  });

  test("a child that keeps the output open does not keep the run waiting", async () => {
    const result = await run(`
      import { spawn } from "node:child_process";
      test("leaves a child", () => {
        const child = spawn("sleep", ["30"], { stdio: "inherit" });
        console.log("pid", child.pid);
        child.unref();
      });`);
    assert.equal(result.failedCount, 0);
    const pid = /pid (\d+)/.exec(result.output)?.[1];
    process.kill(Number(pid));
  });

  test("an abort ends the file", async () => {
    const stop = AbortSignal.timeout(500);
    const result = await run(`test("w", () => new Promise(() => setInterval(() => {}, 1000)));`, {
      signal: stop,
    });
    assert.equal(result.failedCount, 1);
  });

  let runs = 0;

  async function run(
    body: string,
    options: { timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<FileResult> {
    runs += 1;
    const path = `${runs}.test.ts`;
    await writeFile(join(root, path), `import { test } from "node:test";\n${body}\n`);
    return runFile({
      root,
      path,
      scratch: join(root, `${runs}`),
      timeoutMs: options.timeoutMs ?? 30_000,
      signal: options.signal ?? new AbortController().signal,
    });
  }
});
