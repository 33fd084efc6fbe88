import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { chmod, chown, mkdir, mkdtemp, readlink, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client } from "pg";
import { canTraverse, type DatabaseUser, isRoot } from "./database-user.ts";
import { isRootOnly } from "./folders.ts";
import { SYSTEM_FOLDER } from "./relocation.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./start-embedded-postgres.ts";

const run = promisify(execFile);
const HERE = dirname(fileURLToPath(import.meta.url));
const NOBODY = { uid: 65534, gid: 65534 };
/** Called daemon or bin; it has an entry in every /etc/passwd. */
const OTHER_USER = { uid: 1, gid: 1 };
const NAMELESS_USER = { uid: 23456, gid: 23456 };

const START = `
  const [url, dataDir] = process.argv.slice(1);
  const { startEmbeddedPostgres } = await import(url);
  await startEmbeddedPostgres({ dataDir });
`;

describe("as root", { skip: isRoot() ? false : "only root can test what root does" }, () => {
  let base: string;
  const running = new Set<EmbeddedPostgres>();
  const relocated = new Set<string>();

  before(async () => {
    base = await mkdtemp(join(tmpdir(), "hodei-root-"));
    await chmod(base, 0o711);
  });
  after(async () => {
    await Promise.all([...running].map((postgres) => postgres.stop()));
    for (const folder of [base, ...relocated]) await rm(folder, { recursive: true, force: true });
  });

  async function start(dataDir: string): Promise<EmbeddedPostgres> {
    const postgres = await startEmbeddedPostgres({ dataDir });
    running.add(postgres);
    return postgres;
  }

  test("PostgreSQL runs under another account, from programs that only root can change", async () => {
    const postgres = await start(join(base, "plain"));
    const owner = await stat(`/proc/${postgres.pid}`);
    assert.notEqual(owner.uid, 0);
    assert.equal((await stat(join(base, "plain", "pgdata"))).uid, owner.uid);
    const program = await readlink(`/proc/${postgres.pid}/exe`);
    assert.ok(program.startsWith(`${SYSTEM_FOLDER}/`));
    assert.ok(await isRootOnly(dirname(program)));
    await postgres.stop();
  });

  test("a data folder out of that account's reach is relocated, and found again", async () => {
    const closed = join(base, "closed");
    await mkdir(closed, { mode: 0o700 });
    const dataDir = join(closed, "data");
    const first = await start(dataDir);
    const home = await readlink(join(dataDir, "relocated"));
    relocated.add(home);
    assert.equal(dirname(home), SYSTEM_FOLDER);
    await query(first, "create table kept (n int)");
    await first.stop();

    const second = await start(dataDir);
    await query(second, "select * from kept");
    await second.stop();

    await rm(home, { recursive: true });
    await assert.rejects(startEmbeddedPostgres({ dataDir }), {
      reason: "start_failed",
      message: /which is gone: bring it back/,
    });
  });

  test("of two first starts at once on a closed folder, one gets the database", async () => {
    const dataDir = join(base, "closed", "contested");
    const starts = await Promise.allSettled([start(dataDir), start(dataDir)]);
    relocated.add(await readlink(join(dataDir, "relocated")));
    const reasons = starts.map((started) =>
      started.status === "fulfilled" ? "started" : started.reason.reason,
    );
    assert.deepEqual(reasons.sort(), ["already_running", "started"]);
  });

  test("in another user's folder PostgreSQL runs as that user, who can go on without root", async () => {
    const dataDir = join(base, "lent");
    await mkdir(dataDir, { mode: 0o700 });
    await chown(dataDir, OTHER_USER.uid, OTHER_USER.gid);
    const postgres = await start(dataDir);
    assert.equal((await stat(`/proc/${postgres.pid}`)).uid, OTHER_USER.uid);
    await postgres.stop();
    const { stdout } = await run("find", [dataDir, "-not", "-user", String(OTHER_USER.uid)]);
    assert.equal(stdout, "");
  });

  test("a user without a name is told what initdb misses", async (t) => {
    if (await skipIfUnreachable(t, NAMELESS_USER)) return;
    const dataDir = join(base, "nameless");
    await mkdir(dataDir, { mode: 0o700 });
    await chown(dataDir, NAMELESS_USER.uid, NAMELESS_USER.gid);
    const flags = ["--conditions=@hodei/source", "--input-type=module", "--eval", START];
    const url = new URL("./start-embedded-postgres.ts", import.meta.url).href;
    await assert.rejects(
      run(process.execPath, [...flags, url, dataDir], { ...NAMELESS_USER, cwd: "/" }),
      { stderr: /user 23456 has no entry in \/etc\/passwd/ },
    );
  });

  test("a full disk is told, and the start works once there is space", async (t) => {
    const disk = join(base, "disk");
    await mkdir(disk);
    try {
      await run("mount", ["-t", "tmpfs", "-o", "size=24m,mode=755", "tmpfs", disk]);
    } catch {
      t.skip("needs the right to mount a small file system");
      return;
    }
    try {
      const dataDir = join(disk, "data");
      const refusal = { code: "resource_exhausted", reason: "disk_full" };
      await assert.rejects(startEmbeddedPostgres({ dataDir }), refusal);
      await run("mount", ["-o", "remount,size=200m", disk]);
      const postgres = await start(dataDir);
      await postgres.stop();
    } finally {
      await run("umount", [disk]);
    }
  });

  test("a folder is root's only if nobody else can change it or what leads to it", async () => {
    const folder = join(base, "trusted", "programs");
    await mkdir(folder, { recursive: true });
    assert.equal(await isRootOnly(folder), true);
    await chmod(folder, 0o775);
    assert.equal(await isRootOnly(folder), false);
    await chmod(folder, 0o755);
    await chown(dirname(folder), NOBODY.uid, NOBODY.gid);
    assert.equal(await isRootOnly(folder), false);
  });

  test("an ordinary user passes the same tests", async (t) => {
    if (await skipIfUnreachable(t, NOBODY)) return;
    const child = spawn(
      process.execPath,
      [
        "--conditions=@hodei/source",
        "--test",
        join(HERE, "runtime.integration.test.ts"),
        join(HERE, "start-embedded-postgres.integration.test.ts"),
      ],
      { ...NOBODY, cwd: "/", env: { PATH: "/usr/bin:/bin" }, stdio: ["ignore", "pipe", "inherit"] },
    );
    const output = await text(child.stdout);
    assert.match(output, /^(ℹ|#) fail 0$/m, output);
    assert.match(output, /^(ℹ|#) skipped 0$/m, output);
  });
});

/** A checkout below `/root`, say, is closed to the user that a test needs. */
async function skipIfUnreachable(t: TestContext, user: DatabaseUser): Promise<boolean> {
  const reachable = await Promise.all(
    [HERE, dirname(process.execPath)].map((folder) => canTraverse(user, folder)),
  );
  if (reachable.every(Boolean)) return false;
  t.skip(`user ${user.uid} cannot reach ${HERE} and ${process.execPath}`);
  return true;
}

async function query(postgres: EmbeddedPostgres, sql: string): Promise<void> {
  const client = new Client(postgres.connection);
  await client.connect();
  await client.query(sql);
  await client.end();
}
