import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import {
  appendFile,
  chmod,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { type TestContext, test } from "node:test";
import type { WorkerId } from "@hodei/domain";
import { type ProviderFixture, providerContract, provisionRequest, waitFor } from "@hodei/testkit";
import {
  LocalProcessProvider,
  type LocalProcessProviderOptions,
} from "./local-process-provider.ts";
import { WORKER_LOG_MAX_BYTES } from "./machine-folder.ts";
import { isRunning } from "./process-table.ts";

/** Stands in for a worker: notes its number, and ends at SIGTERM, leaving a process of its group behind. */
const OBEDIENT = `trap 'exit 0' TERM; echo $$ >> "$0"; sleep 1000 & wait`;
/** Ends at SIGKILL only. */
const STUBBORN = `trap '' TERM; echo $$ >> "$0"; while :; do sleep 0.2; done`;

const SILENT = { info: () => {}, warn: () => {}, error: () => {} };

const onLinux = { skip: process.platform !== "linux" && "needs /proc: run it on Linux" };

interface LocalFixture extends ProviderFixture {
  readonly provider: LocalProcessProvider;
  readonly folder: (workerId: WorkerId) => string;
  readonly dir: string;
  /** Numbers of all stand-ins that ever started, a line each. */
  readonly pids: string;
}

async function createFixture(
  script: string,
  options: Partial<LocalProcessProviderOptions> = {},
): Promise<LocalFixture> {
  const root = await mkdtemp(join(tmpdir(), "hodei-local-process-"));
  const dir = join(root, "machines");
  const pids = join(root, "pids");
  const reopen = () =>
    new LocalProcessProvider({
      dir,
      workerCommand: ["sh", "-c", script, pids],
      environment: process.env,
      graceMs: 20_000,
      log: SILENT,
      ...options,
    });
  const provider = reopen();
  return {
    provider,
    reopen,
    dir,
    pids,
    folder: (workerId) => join(dir, workerId),
    crash: async (workerId) => {
      const { pid } = JSON.parse(await readFile(join(dir, workerId, "machine.json"), "utf8"));
      process.kill(pid, "SIGKILL");
    },
    countRunning: async () => countRunning(await readPids(pids)),
    close: async () => {
      const machines = await provider.list();
      await Promise.all(machines.map(({ workerId }) => provider.destroy(workerId)));
      await rm(root, { recursive: true });
    },
  };
}

async function open(
  context: TestContext,
  script = OBEDIENT,
  options: Partial<LocalProcessProviderOptions> = {},
): Promise<LocalFixture> {
  const fixture = await createFixture(script, options);
  context.after(() => fixture.close());
  return fixture;
}

providerContract("LocalProcessProvider", () => createFixture(OBEDIENT));
providerContract("LocalProcessProvider, workers that ignore SIGTERM", () =>
  createFixture(STUBBORN, { graceMs: 50 }),
);

test("what jobs made unremovable by its modes goes with its machine", async (context) => {
  const { provider, folder, dir } = await open(context);
  const { workerId } = provisionRequest();
  const cache = join(folder(workerId), "state/attempts/one/work/cache");
  await mkdir(cache, { recursive: true });
  await writeFile(join(cache, "module"), "");
  await chmod(cache, 0o500);
  const isRoot = process.getuid?.() === 0;
  if (isRoot) {
    // Root may remove everything, so another user tries.
    spawnSync("chown", ["-R", "65534", dirname(dir)]);
    process.seteuid?.(65_534);
  }
  try {
    await provider.destroy(workerId);
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
  assert.equal(existsSync(folder(workerId)), false);
});

test("a worker gets its settings, a clean environment and a private folder", async (context) => {
  const environment = { PATH: process.env.PATH, TZ: "UTC", DATABASE_PASSWORD: "secret" };
  const script = `env > "$HODEI_WORKER_STATE_DIR.env"; ${OBEDIENT}`;
  const options = {
    environment,
    allowRoot: true,
    workerSettings: { HODEI_WORKER_LOG_BATCH_BYTES: "1000" },
  };
  const { provider, folder, countRunning } = await open(context, script, options);
  const request = provisionRequest();
  await provider.provision(request);
  await waitFor(async () => (await countRunning()) === 1);

  const path = folder(request.workerId);
  const lines = (await readFile(join(path, "state.env"), "utf8")).trim().split("\n");
  const seen = new Map(lines.map((line) => line.split(/=(.*)/s) as [string, string]));
  // The shell that prints them adds these.
  for (const name of ["PWD", "OLDPWD", "SHLVL", "_"]) seen.delete(name);
  assert.deepEqual(
    [...seen].sort(),
    [
      ["HODEI_WORKER_ALLOW_ROOT", "true"],
      ["HODEI_WORKER_ATTEMPTS_MAX", String(request.template.capacity.attemptCount)],
      ["HODEI_WORKER_CPU_MILLIS", "2000"],
      ["HODEI_WORKER_JOIN_TOKEN_FILE", join(path, "join-token")],
      ["HODEI_WORKER_LABELS", "pool=default,zone=a"],
      ["HODEI_WORKER_LOG_BATCH_BYTES", "1000"],
      ["HODEI_WORKER_MEMORY_BYTES", "1073741824"],
      ["HODEI_WORKER_SERVER_URL", request.serverUrl],
      ["HODEI_WORKER_STATE_DIR", join(path, "state")],
      ["PATH", process.env.PATH ?? ""],
      ["TZ", "UTC"],
    ].sort(),
  );
  assert.equal(await readFile(join(path, "join-token"), "utf8"), request.joinToken);
  assert.equal((await stat(join(path, "join-token"))).mode & 0o777, 0o600);
  assert.equal((await stat(path)).mode & 0o777, 0o700);
  const claim = JSON.parse(await readFile(join(path, "machine.json"), "utf8"));
  assert.equal(claim.workerId, request.workerId);
  assert.equal(claim.pool, request.pool);
});

test("a worker's output goes to its log, which is bounded", async (context) => {
  const { provider, folder } = await open(context, `echo started; ${OBEDIENT}`);
  const request = provisionRequest();
  await provider.provision(request);
  const log = join(folder(request.workerId), "worker.log");
  await waitFor(async () => (await readFile(log, "utf8")) === "started\n");

  await truncate(log, WORKER_LOG_MAX_BYTES + 1);
  await provider.list();
  assert.equal((await stat(log)).size, 0);
  assert.equal((await stat(`${log}.1`)).size, WORKER_LOG_MAX_BYTES + 1);
});

test("a command that is no program is refused and leaves nothing", async (context) => {
  for (const program of ["/no/such/program", "no-such-program", "/etc/passwd"]) {
    const { provider, folder } = await open(context, OBEDIENT, { workerCommand: [program] });
    const request = provisionRequest();
    await assert.rejects(provider.provision(request), {
      code: "failed_precondition",
      reason: "worker_command_not_found",
    });
    assert.deepEqual(await provider.list(), []);
    await assert.rejects(stat(folder(request.workerId)), { code: "ENOENT" });
  }
});

test("what the system refuses comes as a PlatformError and leaves nothing", async (context) => {
  const tooLong = "x".repeat(4 * 1024 * 1024);
  const { provider } = await open(context, OBEDIENT, { workerCommand: ["sh", "-c", tooLong] });
  await assert.rejects(provider.provision(provisionRequest()), {
    name: "PlatformError",
    code: "failed_precondition",
    reason: "local_process",
  });
  assert.deepEqual(await provider.list(), []);
});

test("a folder that cannot be made is a PlatformError", async (context) => {
  const { pids } = await open(context);
  await writeFile(pids, "a file, not a folder");
  const { provider } = await open(context, OBEDIENT, { dir: join(pids, "machines") });
  const failure = { name: "PlatformError", code: "failed_precondition", reason: "local_process" };
  await assert.rejects(provider.provision(provisionRequest()), failure);
});

test("what no process here can be is refused before anything is made", async (context) => {
  const { provider } = await open(context);
  const request = provisionRequest();
  const refused = (template: object, reason: string) =>
    assert.rejects(
      provider.provision({ ...request, template: { ...request.template, ...template } }),
      { code: "failed_precondition", reason },
    );
  await refused({ labels: { zones: "a,b" } }, "unusable_label");
  await refused({ arch: "vax" }, "wrong_arch");
  assert.deepEqual(await provider.list(), []);
});

test("calls for one machine follow each other", async (context) => {
  const { provider, countRunning } = await open(context);
  const request = provisionRequest();
  await Promise.all([provider.provision(request), provider.destroy(request.workerId)]);
  assert.deepEqual(await provider.list(), []);
  assert.equal(await countRunning(), 0);
});

test("a folder that a crash left half-made is listed dead, and completed by a repeat", async (context) => {
  const { provider, folder, countRunning } = await open(context);
  const request = provisionRequest();
  const { workerId } = request;
  await mkdir(folder(workerId), { recursive: true });
  await writeFile(join(folder(workerId), "join-token"), "cut o", { mode: 0o644 });
  assert.deepEqual(await provider.list(), [{ workerId, alive: false }]);
  await provider.provision(request);
  assert.deepEqual(await provider.list(), [{ workerId, alive: true }]);
  await waitFor(async () => (await countRunning()) === 1);
  assert.equal(await readFile(join(folder(workerId), "join-token"), "utf8"), request.joinToken);
  assert.equal((await stat(join(folder(workerId), "join-token"))).mode & 0o777, 0o600);
});

test("what is no machine is left alone in the folder", async (context) => {
  const { provider, folder } = await open(context);
  const request = provisionRequest();
  await provider.provision(request);
  const other = join(folder(request.workerId), "../notes.txt");
  await appendFile(other, "mine");
  await provider.destroy(request.workerId);
  assert.deepEqual(await provider.list(), []);
  assert.equal(await readFile(other, "utf8"), "mine");
});

test("destroy ends what a dead worker left in other sessions", onLinux, async (context) => {
  const job = `setsid env -i HODEI_ATTEMPT_DIR="$HODEI_WORKER_STATE_DIR/attempts/1" sleep 1000 &
    echo $! >> "$0"; setsid sleep 1000 & echo $! >> "$0"`;
  const { provider, crash, countRunning } = await open(context, `${job}\n${OBEDIENT}`);
  const { workerId, ...rest } = provisionRequest();
  await provider.provision({ workerId, ...rest });
  await waitFor(async () => (await countRunning()) === 3);
  await crash(workerId);
  await waitFor(async () => (await countRunning()) === 2);
  await provider.destroy(workerId);
  assert.equal(await countRunning(), 0);
});

test(
  "a stranger that got a dead worker's process number is neither alive nor killed",
  onLinux,
  async (context) => {
    const { provider, folder } = await open(context);
    const { workerId } = provisionRequest();
    const stranger = spawn("sleep", ["1000"], { detached: true });
    context.after(() => stranger.kill("SIGKILL"));
    await writeClaim(folder(workerId), stranger.pid, 1);
    assert.deepEqual(await provider.list(), [{ workerId, alive: false }]);
    await provider.destroy(workerId);
    assert.deepEqual(await provider.list(), []);
    assert.equal(await countRunning([stranger.pid ?? 0]), 1);
  },
);

test("a zombie is dead", onLinux, async (context) => {
  const { provider, folder } = await open(context);
  const { workerId } = provisionRequest();
  // The shell becomes a program that does not care for the child it has, and only then the child may end.
  const parent = spawn("sh", ["-c", "cat <&3 >/dev/null & echo $!; exec sleep 1000 3<&-"], {
    stdio: ["ignore", "pipe", "ignore", "pipe"],
  });
  context.after(() => parent.kill("SIGKILL"));
  const [printed] = await once(parent.stdio[1] as Readable, "data");
  const pid = Number(printed);
  await waitFor(async () => (await readFile(`/proc/${parent.pid}/comm`, "utf8")) === "sleep\n");
  (parent.stdio[3] as Writable).end();
  const fields = async () =>
    (await readFile(`/proc/${pid}/stat`, "utf8")).split(") ")[1]?.split(" ");
  await waitFor(async () => (await fields())?.[0] === "Z");
  await writeClaim(folder(workerId), pid, Number((await fields())?.[19]));
  assert.deepEqual(await provider.list(), [{ workerId, alive: false }]);
  await provider.destroy(workerId);
});

test("a claim torn by a power failure is a dead machine", async (context) => {
  const { provider, folder } = await open(context);
  const { workerId } = provisionRequest();
  await mkdir(folder(workerId), { recursive: true });
  await writeFile(join(folder(workerId), "machine.json"), '{"workerId":');
  assert.deepEqual(await provider.list(), [{ workerId, alive: false }]);
  await provider.destroy(workerId);
  assert.deepEqual(await provider.list(), []);
});

test("a server killed while it provisions leaks no process", async (context) => {
  const { provider, dir, pids, folder, countRunning } = await open(context);
  const requests = Array.from({ length: 16 }, provisionRequest);
  const module = new URL("./local-process-provider.ts", import.meta.url).href;
  const server = `
    const { LocalProcessProvider } = await import(${JSON.stringify(module)});
    const log = { info: () => {}, warn: () => {}, error: () => {} };
    const provider = new LocalProcessProvider({
      dir: ${JSON.stringify(dir)},
      workerCommand: ["sh", "-c", ${JSON.stringify(OBEDIENT)}, ${JSON.stringify(pids)}],
      log,
    });
    await Promise.all(${JSON.stringify(requests)}.map((request) => provider.provision(request)));
    process.stdout.write("provisioned all");`;
  const child = spawn(
    process.execPath,
    [...process.execArgv, "--input-type=module", "-e", server],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  // At this moment the machines are at every stage: without folder, without process, without claim, running.
  await waitFor(() =>
    requests.some(({ workerId }) => existsSync(join(folder(workerId), "machine.json"))),
  );
  child.kill("SIGKILL");
  const [printed] = await Promise.all([child.stdout.toArray(), once(child, "exit")]);
  assert.deepEqual(printed, [], "killed too late to prove anything");

  await Promise.all(requests.map((request) => provider.provision(request)));
  assert.equal((await provider.list()).filter(({ alive }) => alive).length, requests.length);
  await waitFor(async () => (await countRunning()) === requests.length);
  await Promise.all(requests.map(({ workerId }) => provider.destroy(workerId)));
  assert.equal(await countRunning(), 0);
  assert.equal((await readPids(pids)).length, requests.length, "no machine had two processes");
});

async function writeClaim(path: string, pid: number | undefined, start: number): Promise<void> {
  await mkdir(path, { recursive: true });
  await writeFile(join(path, "machine.json"), JSON.stringify({ pid, processStartTime: start }));
}

async function countRunning(pids: readonly number[]): Promise<number> {
  const running = await Promise.all(pids.map((pid) => isRunning({ pid, startTime: null })));
  return running.filter(Boolean).length;
}

async function readPids(path: string): Promise<readonly number[]> {
  if (!existsSync(path)) return [];
  return (await readFile(path, "utf8")).trim().split("\n").map(Number);
}
