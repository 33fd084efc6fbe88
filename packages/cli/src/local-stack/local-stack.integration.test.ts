import assert from "node:assert/strict";
import { readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { temporaryFolder, waitFor } from "@hodei/testkit";
import { fakeContext } from "../testing/fake-context.ts";
import { ensureLocalStack, STACK_LOCK } from "./ensure-local-stack.ts";
import { identifyProcess, isAlive } from "./process-identity.ts";
import { findLockOwner, tryLock } from "./process-lock.ts";
import { readStackFile, writeStackFile } from "./stack-file.ts";
import { reviveKilledStack, stopLocalStack } from "./stop-local-stack.ts";

const FAKE_STACK = fileURLToPath(new URL("../testing/fake-stack.ts", import.meta.url));
const PROGRAM = [process.execPath, "--conditions=@hodei/source", FAKE_STACK] as const;

const newFolder = () => join(temporaryFolder(), "data");

/** A context whose local stack keeps its data in `folder`, and is stopped after the test. */
function contextIn(folder: string, env: Record<string, string> = {}) {
  after(() => stopLocalStack(folder, { force: true }));
  return {
    ...fakeContext({}, { env: { ...process.env, HODEI_DATA_DIR: folder, ...env } }),
    program: PROGRAM,
  };
}

async function startedPid(context: ReturnType<typeof contextIn>): Promise<number> {
  const { client, stack } = await ensureLocalStack(context);
  client.close();
  return stack.process.pid;
}

test("a stack is started when it is first needed, announced in one line, and stopped", async () => {
  const folder = newFolder();
  const context = contextIn(folder);
  const pid = await startedPid(context);
  assert.equal(
    context.stderr.text,
    `hodei: starting the local stack (data in ${folder}, log in ${folder}/server.log; stops by itself after 5 idle minutes${process.getuid?.() === 0 ? "; you are root, and so are its jobs" : ""})\n`,
  );
  assert.equal(statSync(folder).mode & 0o077, process.getuid?.() === 0 ? 0o011 : 0);
  assert.equal(await startedPid(context), pid);
  assert.equal(context.stderr.text.split("\n").length, 2);
  assert.equal((await stopLocalStack(folder, { force: false }))?.pid, pid);
  assert.equal(await identifyProcess(pid), undefined);
  assert.equal(await stopLocalStack(folder, { force: false }), undefined);
});

test("of commands at the same time one starts the stack and all use it", async () => {
  const folder = newFolder();
  const contexts = Array.from({ length: 8 }, () => contextIn(folder));
  const pids = await Promise.all(contexts.map(startedPid));
  assert.equal(new Set(pids).size, 1);
  const announced = contexts.filter(({ stderr }) => stderr.text !== "");
  assert.equal(announced.length, 1);
});

test("a stack that died, and whose number another process has now, is replaced", async () => {
  const folder = newFolder();
  const context = contextIn(folder);
  const self = await identifyProcess(process.pid);
  assert.ok(self);
  await startedPid(context);
  await stopLocalStack(folder, { force: true });
  const stale = { ...self, startTicks: self.startTicks + 1 };
  const stack = { endpoint: "http://127.0.0.1:1", tokenFile: null, version: "0" };
  await writeStackFile(folder, { ...stack, process: stale });
  assert.notEqual(await startedPid(context), process.pid);
});

test("a stack that was killed is started anew to be stopped; one that was stopped is not", async () => {
  const folder = newFolder();
  const context = contextIn(folder);
  await reviveKilledStack(context);
  assert.equal(context.stderr.text, "");
  const pid = await startedPid(context);
  await reviveKilledStack(context);
  const identity = (await readStackFile(folder))?.process;
  assert.ok(identity);
  process.kill(pid, "SIGKILL");
  await waitFor(async () => !(await isAlive(identity)));
  await reviveKilledStack(context);
  assert.match(context.stderr.text, /the local stack was killed/);
  const stopped = await stopLocalStack(folder, { force: false });
  assert.notEqual(stopped?.pid, pid);
  assert.ok(stopped);
  await reviveKilledStack(context);
  assert.equal(await findLockOwner(folder, STACK_LOCK), undefined);
});

test("a stack that is stopping is waited for, then replaced", async () => {
  const folder = newFolder();
  const context = contextIn(folder);
  const pid = await startedPid(context);
  process.kill(pid, "SIGUSR2");
  const identity = (await readStackFile(folder))?.process;
  assert.ok(identity);
  let next = pid;
  // It may still answer until the signal has reached it.
  while (next === pid) next = await startedPid(context);
  assert.equal(await isAlive(identity), false);
});

test("a start that fails shows the reason and where the log is", async () => {
  const folder = newFolder();
  const context = contextIn(folder, { FAKE_STACK: "fails" });
  await assert.rejects(ensureLocalStack(context), {
    name: "CommandError",
    message: "the local stack did not start (exit code 1): the port 7400 is taken; choose another",
    next: `the whole log is in ${folder}/server.log`,
  });
});

test("a data folder that cannot be made is named", async () => {
  const file = join(temporaryFolder(), "file");
  writeFileSync(file, "");
  const context = {
    ...fakeContext({}, { env: { HODEI_DATA_DIR: join(file, "data") } }),
    program: PROGRAM,
  };
  await assert.rejects(ensureLocalStack(context), {
    message: `cannot write to the data folder ${file}/data: not a directory`,
    next: /HODEI_DATA_DIR/,
  });
});

test("a lock is held by one, is free again after its release, and dies with its process", async () => {
  const folder = temporaryFolder();
  const self = await identifyProcess(process.pid);
  const first = await tryLock(folder, "a");
  assert.ok("lock" in first);
  assert.deepEqual(await tryLock(folder, "a"), { owner: self });
  assert.ok("lock" in (await tryLock(folder, "b")));
  await first.lock.release();
  assert.equal(await findLockOwner(folder, "a"), undefined);
  const dead = { pid: process.pid, startTicks: 1 };
  writeFileSync(join(folder, "a.7.lock"), JSON.stringify(dead));
  const second = await tryLock(folder, "a");
  assert.ok("lock" in second);
  assert.deepEqual(readdirSync(folder).sort(), ["a.8.lock", "b.1.lock"]);
  await second.lock.release();
});

test("of many contenders one at a time holds a lock, and each gets it in the end", async () => {
  const folder = temporaryFolder();
  let holders = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      for (let taken = 0; taken < 5; ) {
        const attempt = await tryLock(folder, "x");
        if ("owner" in attempt) continue;
        taken += 1;
        holders += 1;
        most = Math.max(most, holders);
        await new Promise(setImmediate);
        holders -= 1;
        await attempt.lock.release();
      }
    }),
  );
  assert.equal(most, 1);
  assert.deepEqual(readdirSync(folder), ["x.100.lock"]);
});
