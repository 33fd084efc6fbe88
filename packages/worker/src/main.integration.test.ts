import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { ExitReason } from "@hodei/proto/hodei/v1/job";
import { waitFor } from "@hodei/testkit";
import { isAlive } from "../test/is-alive.ts";
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
    if (process.env.DBG) process.stderr.write(bytes);
  });
  return { worker, stderr: () => text };
}

const joining = () => ({
  HODEI_WORKER_SERVER_URL: server.url,
  HODEI_WORKER_JOIN_TOKEN: server.joinToken,
  HODEI_WORKER_ALLOW_ROOT: "true",
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

test("killed in the middle of a flood and restarted, it tells what it had read, and that the attempt is lost", async () => {
  const { worker } = startProcess(joining());
  await waitFor(() => server.session?.heartbeatCount, { timeoutMs: 20_000 });
  const script = "i=0; while :; do echo line $((i += 1)); done";
  const attempt = server.assign({ work: { case: "script", value: { content: script } } });
  await waitFor(() => attempt.endOffset > 100_000);
  server.isAcking = false;
  const { endOffset } = attempt;
  await waitFor(() => attempt.endOffset > endOffset + 100_000);
  worker.kill("SIGKILL");
  await once(worker, "exit");
  server.isAcking = true;
  startProcess(joining());
  const { outcome, logBytes } = await waitFor(() => attempt.results[0], { timeoutMs: 20_000 });
  assert.equal(outcome?.reason, ExitReason.WORKER_LOST);
  assert.equal(Number(logBytes), attempt.endOffset);
  const lines = attempt.log.toString().split("\n");
  lines.slice(0, -1).forEach((line, index) => {
    assert.equal(line, `line ${index + 1}`);
  });
  await waitFor(async () => (await readdir(join(stateDir, "spool"))).length === 0);
});

test("killed after an attempt has ended, it tells how when it is back", async () => {
  const { worker, stderr } = startProcess(joining());
  await waitFor(() => server.session?.heartbeatCount, { timeoutMs: 20_000 });
  const attempt = server.assign({
    work: { case: "script", value: { content: "sleep 0.2; echo late; exit 3" } },
  });
  await waitFor(() => attempt.startedCount === 1);
  await server.stop();
  await waitFor(() => stderr().includes("attempt.ended"));
  worker.kill("SIGKILL");
  await once(worker, "exit");
  await server.start();
  startProcess(joining());
  const { outcome } = await waitFor(() => attempt.results[0], { timeoutMs: 20_000 });
  assert.equal(outcome?.exitCode, 3);
  assert.equal(attempt.log.toString(), "late\n");
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

test("killed and restarted, it ends what its attempts left running before it takes new ones", async () => {
  const { worker } = startProcess(joining());
  await waitFor(() => server.session?.heartbeatCount, { timeoutMs: 20_000 });
  const content = `trap '' TERM; setsid nohup sleep 1000 >/dev/null & echo $!; env -i sleep 1001 & echo $!; echo ready; wait`;
  const attempt = server.assign({ work: { case: "script", value: { content } } });
  await waitFor(() => attempt.log.includes("ready"));
  const pids = (attempt.log.toString().match(/^\d+$/gm) ?? []).map(Number);
  assert.equal(pids.length, 2);
  worker.kill("SIGKILL");
  await once(worker, "exit");
  assert.ok(pids.every(isAlive));
  const { stderr } = startProcess(joining());
  await waitFor(() => stderr().includes("worker.started"), { timeoutMs: 20_000 });
  assert.ok(!pids.some(isAlive));
  assert.match(stderr(), /"event":"worker.leftovers_removed","attempts":1,"processesEnded":[1-9]/);
});
