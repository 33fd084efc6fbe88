import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdir, mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startTestPostgres, waitFor } from "@hodei/testkit";
import { HODEI } from "./server-process.ts";

const IS_ROOT = process.getuid?.() === 0;
const NOBODY = 65_534;
const START_TIMEOUT_MS = 60_000;

interface ServeOptions {
  readonly until?: string;
  readonly uid?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Told all of the log so far, each time there is more. */
  readonly onLog?: (log: string) => void;
}

interface Run {
  readonly code: number | null;
  readonly stderr: string;
}

/** Runs `hodei server` until it ends, or until it logs `until`; then it is stopped. */
async function serve(
  flags: readonly string[],
  { until, uid, env, onLog }: ServeOptions = {},
): Promise<Run> {
  const [program, ...script] = HODEI as [string, ...string[]];
  const child = spawn(program, [...script, "server", "--worker-port", "0", ...flags], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, ...env },
    ...(uid !== undefined && { uid, gid: uid }),
  });
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    onLog?.(stderr);
  });
  const exited = once(child, "exit");
  await waitFor(() => child.exitCode !== null || (until !== undefined && stderr.includes(until)), {
    timeoutMs: START_TIMEOUT_MS,
    what: "the end of the server",
  });
  if (child.exitCode === null) child.kill("SIGTERM");
  await exited;
  return { code: child.exitCode, stderr };
}

/** Whether `uid` can run Hodei from this checkout: not where a folder above it is closed to others. */
function canRun(uid: number): boolean {
  const [program, ...script] = HODEI as [string, ...string[]];
  const { status } = spawnSync(program, [...script, "version"], { uid, gid: uid, stdio: "ignore" });
  return status === 0;
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "hodei-start-"));
  try {
    if (IS_ROOT) await chmod(folder, 0o711);
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as { port: number };
  probe.close();
  return port;
}

/** The Unix socket behind a database URL, and the same database as it is reached through a TCP port. */
function overTcp(url: string): { socketFile: string; urlAt: (port: number) => string } {
  const { username, password, pathname, searchParams, hostname } = new URL(url);
  const folder = searchParams.get("host") ?? decodeURIComponent(hostname);
  const socketFile = `${folder}/.s.PGSQL.${searchParams.get("port") ?? "5432"}`;
  const urlAt = (port: number) => `postgres://${username}:${password}@127.0.0.1:${port}${pathname}`;
  return { socketFile, urlAt };
}

test("a database that cannot be reached is waited for with a notice, and used once it is there", () =>
  inFolder(async (folder) => {
    const postgres = await startTestPostgres();
    const { url } = await postgres.createDatabase();
    const { socketFile, urlAt } = overTcp(url);
    const port = await freePort();
    const proxy = createServer((socket) => void socket.pipe(connect(socketFile)).pipe(socket));
    const flags = ["--data-dir", folder, "--public-port", "0", "--database-url", urlAt(port)];
    const { code, stderr } = await serve(flags, {
      until: "server_ready",
      onLog: (log) => {
        if (log.includes("database_unreachable") && !proxy.listening) {
          proxy.listen(port, "127.0.0.1");
        }
      },
    });
    proxy.close();
    await postgres.stop();
    assert.match(stderr, /"event":"database_unreachable".*"nextTryInMs":/);
    assert.match(stderr, /server_ready/);
    assert.equal(code, 0, stderr);
  }));

test("a database that never comes is named when the wait is over, and a stop ends the wait", () =>
  inFolder(async (folder) => {
    const url = `postgres://nobody@127.0.0.1:${await freePort()}/none`;
    const flags = ["--data-dir", folder, "--public-port", "0", "--database-url", url];
    const given = await serve(flags, { env: { HODEI_SERVER_DATABASE_WAIT_MS: "300" } });
    assert.equal(given.code, 1);
    assert.match(given.stderr, /^hodei: the database cannot be reached/m);
    const stopped = await serve(flags, { until: "database_unreachable" });
    assert.equal(stopped.code, 0, stopped.stderr);
  }));

test("a port that is taken is named, with the flag that changes it", () =>
  inFolder(async (folder) => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    const { code, stderr } = await serve(["--data-dir", folder, "--public-port", String(port)]);
    taken.close();
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`^hodei: .*${port}.*--public-port`, "m"));
  }));

const unreachable = IS_ROOT && !canRun(NOBODY);
const needsReach =
  unreachable && `user ${NOBODY} cannot reach this checkout; put it outside of /root`;

test("a data folder that cannot be written is named", { skip: needsReach }, () =>
  inFolder(async (folder) => {
    const closed = join(folder, "closed");
    await mkdir(closed, { mode: 0o555 });
    const uid = IS_ROOT ? NOBODY : undefined;
    if (IS_ROOT) await chown(closed, NOBODY, NOBODY);
    const flags = ["--data-dir", join(closed, "data"), "--public-port", "0"];
    const { code, stderr } = await serve(flags, { ...(uid !== undefined && { uid }) });
    assert.equal(code, 1);
    assert.match(stderr, /^hodei: .*closed\/data.*(writable|permission)/im);
  }),
);

const needsRoot = IS_ROOT ? false : "needs root to mount a small file system; run it as root";

test("a full disk in the data folder is named", { skip: needsRoot }, () =>
  inFolder(async (folder) => {
    const small = join(folder, "small");
    await mkdir(small, { mode: 0o711 });
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m,mode=0711", "tmpfs", small]);
    try {
      const flags = ["--data-dir", join(small, "data"), "--public-port", "0"];
      const { code, stderr } = await serve(flags);
      assert.equal(code, 1);
      assert.match(stderr, /^hodei: .*(disk|space)/im);
    } finally {
      execFileSync("umount", [small]);
    }
  }),
);

test("unknown and wrong settings are named, all of them", async () => {
  const { code, stderr } = await serve(["--data-dir", "/nowhere", "--local-workers-min", "3"]);
  assert.equal(code, 1);
  assert.match(stderr, /localWorkersMin/);
});
