import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { waitFor } from "@hodei/testkit";
import { TestServer } from "../test/test-server.ts";

const PROGRAM = `
  import { runWorker } from "@hodei/worker";
  try { process.exitCode = await runWorker(); }
  catch (error) { console.error(error.message); process.exitCode = 9; }`;

let server: TestServer;
let stateDir: string;
let child: ChildProcess | undefined;
beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), "hodei-worker-test-"));
  server = new TestServer();
  await server.start();
});
afterEach(async () => {
  child?.kill("SIGKILL");
  await server.stop();
  await rm(stateDir, { recursive: true, force: true });
});

/** The worker as a process of its own; `stderr` grows while it runs. */
function startProcess(env: Record<string, string>): { worker: ChildProcess; stderr: () => string } {
  const args = ["--conditions=@hodei/source", "--input-type=module", "--eval", PROGRAM];
  const worker = spawn(process.execPath, args, {
    cwd: import.meta.dirname,
    env: { PATH: process.env.PATH, HODEI_WORKER_STATE_DIR: stateDir, ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  child = worker;
  let text = "";
  worker.stderr?.on("data", (bytes) => {
    text += bytes;
  });
  return { worker, stderr: () => text };
}

const joining = () => ({
  HODEI_WORKER_SERVER_URL: server.url,
  HODEI_WORKER_JOIN_TOKEN: server.joinToken,
});

const sleeper = (seconds: string) =>
  ({ work: { case: "script", value: { content: `echo $$; sleep ${seconds}` } } }) as const;

test("the first signal lets it leave in order, and secrets are masked in its log", async () => {
  const { worker, stderr } = startProcess(joining());
  await waitFor(() => server.session?.heartbeatCount, { timeoutMs: 20_000 });
  const attempt = server.assign(sleeper("0.3"));
  await waitFor(() => attempt.log.length > 0);
  worker.kill("SIGTERM");
  assert.deepEqual(await once(worker, "exit"), [0, null]);
  assert.equal(attempt.results.length, 1);
  assert.match(stderr(), /"joinToken":"\*\*\*"/);
  assert.doesNotMatch(stderr(), /ssss/);
});

test("the second signal ends everything at once with exit code 1", async () => {
  const { worker, stderr } = startProcess(joining());
  await waitFor(() => server.session?.heartbeatCount, { timeoutMs: 20_000 });
  const attempt = server.assign(sleeper("60"));
  await waitFor(() => attempt.log.length > 0);
  worker.kill("SIGINT");
  await waitFor(() => stderr().includes("worker.signalled"));
  worker.kill("SIGINT");
  assert.deepEqual(await once(worker, "exit"), [1, null]);
  assert.match(stderr(), /worker\.left_behind/);
  await waitFor(() => !existsSync(`/proc/${attempt.log.toString().trim()}`));
});

test("a signal before it has joined ends it with exit code 0", async () => {
  const { worker, stderr } = startProcess({
    ...joining(),
    HODEI_WORKER_SERVER_URL: "https://127.0.0.1:1",
  });
  await waitFor(() => stderr().includes("worker.register_retried"), { timeoutMs: 20_000 });
  worker.kill("SIGTERM");
  assert.deepEqual(await once(worker, "exit"), [0, null]);
});

test("wrong settings are told, all at once", async () => {
  const { worker, stderr } = startProcess({ HODEI_WORKER_LOG_LEVEL: "loud" });
  assert.deepEqual(await once(worker, "exit"), [9, null]);
  assert.match(stderr(), /HODEI_WORKER_LOG_LEVEL/);
  assert.match(stderr(), /HODEI_WORKER_SERVER_URL/);
});
