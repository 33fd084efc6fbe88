import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { Client } from "pg";
import { socketFolderOf } from "./data-place.ts";
import { isRoot } from "./database-user.ts";
import { isPostgresOf } from "./postgres-process.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./start-embedded-postgres.ts";

/** A server in miniature: starts, says so in a line of JSON, and stops once its input ends. */
const OWNER = `
  const [url, dataDir] = process.argv.slice(1);
  const { startEmbeddedPostgres } = await import(url);
  try {
    const { pid, stop } = await startEmbeddedPostgres({ dataDir });
    console.log(JSON.stringify({ pid }));
    process.stdin.resume().once("end", () => stop());
  } catch ({ reason, message }) {
    console.log(JSON.stringify({ reason, message }));
  }
`;

let base: string;
let dataDir: string;
const running = new Set<EmbeddedPostgres>();

before(async () => {
  base = await mkdtemp(join(tmpdir(), "hodei-pg-"));
  await chmod(base, 0o711); // the database's account passes through when we are root
  dataDir = join(base, "data");
});
afterEach(async () => {
  await Promise.all([...running].map((postgres) => postgres.stop()));
  running.clear();
});
after(() => rm(base, { recursive: true, force: true }));

test("the first start makes a durable database behind a private socket", async () => {
  const { postgres, events } = await start(dataDir);
  assert.deepEqual(events.slice(-2), ["postgres_initialised", "postgres_started"]);
  assert.deepEqual(await settingsOf(postgres), {
    data_checksums: "on",
    fsync: "on",
    full_page_writes: "on",
    listen_addresses: "",
    max_connections: "100",
    server_encoding: "UTF8",
    synchronous_commit: "on",
    TimeZone: "UTC",
    unix_socket_permissions: "0700",
  });
  const [locale] = await query(
    postgres,
    "select datlocprovider::text, datlocale from pg_database where datname = current_database()",
  );
  assert.deepEqual(locale, { datlocprovider: "b", datlocale: "C.UTF-8" });
  assert.equal(await modeOf(dataDir), isRoot() ? 0o710 : 0o700);
  assert.equal(await modeOf(join(dataDir, "password")), 0o600);
  assert.equal(await modeOf(join(dataDir, "postgres.log")), 0o600);
  assert.equal(await modeOf(postgres.connection.host), 0o700);

  await query(postgres, "create table kept (n int)");
  await query(postgres, "insert into kept values (1)");
  await Promise.all([postgres.stop(), postgres.stop()]);
  await postgres.stop();
  await assert.rejects(query(postgres, "select 1"), { code: "ENOENT" });
});

test("the password is asked for", async () => {
  const { postgres } = await start(dataDir);
  const client = new Client({ ...postgres.connection, password: "guessed" });
  await assert.rejects(client.connect(), { code: "28P01" });
  await postgres.stop();
});

test("a restart finds the data again", async () => {
  const { postgres, events } = await start(dataDir);
  assert.deepEqual(events, ["postgres_started"]);
  assert.equal(await countKept(postgres), 1);
  await postgres.stop();
});

test("a second owner is refused, and the first is not disturbed", async () => {
  const { postgres } = await start(dataDir);
  const refusal = { code: "failed_precondition", reason: "already_running" };
  await assert.rejects(startEmbeddedPostgres({ dataDir }), refusal);
  const other = await startOwner(dataDir);
  assert.equal(other.said.reason, "already_running");
  assert.match(String(other.said.message), new RegExp(`in use by process ${process.pid}`));
  assert.equal(await countKept(postgres), 1);
  await postgres.stop();
});

test("of two first starts at once, one gets the database", async () => {
  const folder = join(base, "contested");
  const starts = await Promise.allSettled([start(folder), start(folder)]);
  const [winner, ...others] = starts.filter((started) => started.status === "fulfilled");
  assert.ok(winner !== undefined && others.length === 0);
  const [loser] = starts.filter((started) => started.status === "rejected");
  assert.equal(loser?.reason.reason, "already_running");
  await query(winner.value.postgres, "select 1");
  await winner.value.postgres.stop();
});

test("a PostgreSQL that was killed comes back by itself, on the same socket, with its data", async () => {
  const { postgres, events } = await start(dataDir);
  const first = postgres.pid;
  await query(postgres, "insert into kept values (2)");
  process.kill(first, "SIGKILL");
  await waitFor(async () => postgres.pid !== first);
  assert.equal(await countKept(postgres), 2);
  assert.deepEqual(events, ["postgres_started", "postgres_died", "postgres_started"]);
  await postgres.stop();
});

test("a query that outlives the killed PostgreSQL does not hold up its return", async () => {
  const { postgres } = await start(dataDir);
  const first = postgres.pid;
  const minutesOfWork =
    "select count(*) from generate_series(1, 100000) a, generate_series(1, 1000000) b";
  const busy = query(postgres, minutesOfWork).then(
    () => assert.fail("the query cannot have ended"),
    () => undefined,
  );
  await waitFor(async () => {
    const sql = "select 1 from pg_stat_activity where state = 'active' and pid <> pg_backend_pid()";
    return (await query(postgres, sql)).length === 1;
  });
  process.kill(first, "SIGKILL");
  await waitFor(async () => postgres.pid !== first);
  assert.equal(await countKept(postgres), 2);
  await busy;
  await postgres.stop();
});

test("the PostgreSQL of an owner that died is taken over, and stopped by its new owner", async () => {
  const owner = await startOwner(dataDir);
  await owner.kill();
  const { postgres, events } = await start(dataDir);
  assert.deepEqual(events, ["postgres_adopted"]);
  assert.equal(postgres.pid, owner.said.pid);
  assert.equal(await countKept(postgres), 2);
  await postgres.stop();
  assert.equal(await runs(postgres.pid), false);
});

test("one that runs with other settings is replaced, not taken over", async () => {
  const owner = await startOwner(dataDir);
  await owner.kill();
  const { postgres, events } = await start(dataDir, { work_mem: "5MB" });
  assert.deepEqual(events, ["postgres_replaced", "postgres_started"]);
  const [row] = await query(postgres, "select current_setting('work_mem') as work_mem");
  assert.deepEqual(row, { work_mem: "5MB" });
  await postgres.stop();
});

test("one whose socket was removed under it is replaced", async () => {
  const owner = await startOwner(dataDir);
  await owner.kill();
  await rm(join(socketFolderOf(dataDir), ".s.PGSQL.5432"));
  const { postgres, events } = await start(dataDir);
  assert.deepEqual(events, ["postgres_replaced", "postgres_started"]);
  await postgres.stop();
});

test("after a crash, its number in the hands of another process neither blocks nor hurts", async () => {
  const owner = await startOwner(dataDir);
  await owner.kill();
  const crashed = Number(owner.said.pid);
  process.kill(crashed, "SIGKILL");
  await waitFor(async () => !(await runs(crashed)));

  const pgdata = join(dataDir, "pgdata");
  const { uid, gid } = await stat(pgdata);
  const bystander = spawn("sleep", ["1000"], isRoot() ? { uid, gid } : {});
  await once(bystander, "spawn");
  for (const path of [join(pgdata, "postmaster.pid"), socketLockOf(dataDir)]) {
    const [, ...rest] = (await readFile(path, "utf8")).split("\n");
    await writeFile(path, [bystander.pid, ...rest].join("\n"));
  }
  try {
    const { postgres } = await start(dataDir);
    assert.equal(await countKept(postgres), 2);
    await postgres.stop();
    assert.equal(bystander.exitCode ?? bystander.signalCode, null);
  } finally {
    bystander.kill("SIGKILL");
  }
});

test("a torn postmaster.pid does not block", async () => {
  await writeFile(join(dataDir, "pgdata", "postmaster.pid"), "");
  const { postgres } = await start(dataDir);
  assert.equal(await countKept(postgres), 2);
  await postgres.stop();
});

test("an owner that ends normally leaves no PostgreSQL behind", async () => {
  const owner = await startOwner(dataDir);
  await owner.end();
  assert.equal(await runs(Number(owner.said.pid)), false);
});

test("a database whose password is lost is not replaced by an empty one", async () => {
  const path = join(dataDir, "password");
  const password = await readFile(path);
  await rm(path);
  await assert.rejects(startEmbeddedPostgres({ dataDir }), {
    reason: "start_failed",
    message: /password/,
  });
  await writeFile(path, "wrong\n", { mode: 0o600 });
  await assert.rejects(startEmbeddedPostgres({ dataDir }), {
    reason: "start_failed",
    message: /password/,
  });
  await writeFile(path, password);
  const { postgres } = await start(dataDir);
  assert.equal(await countKept(postgres), 2);
  await postgres.stop();
});

test("a setting that PostgreSQL refuses is told by its own words", async () => {
  await assert.rejects(startEmbeddedPostgres({ dataDir, settings: { work_mem: "a lot" } }), {
    code: "unavailable",
    reason: "start_failed",
    message: /invalid value for parameter "work_mem": "a lot"/,
  });
});

test("data of another major version is refused and left as it is", async () => {
  const folder = join(base, "older");
  const pgdata = join(folder, "pgdata");
  await mkdir(pgdata, { recursive: true });
  await writeFile(join(pgdata, "PG_VERSION"), "17\n");
  await assert.rejects(startEmbeddedPostgres({ dataDir: folder }), {
    code: "failed_precondition",
    reason: "data_version_mismatch",
    message: /written by PostgreSQL 17, but this Hodei brings 18/,
  });
  assert.deepEqual(await readdir(pgdata), ["PG_VERSION"]);
  assert.equal(await readFile(join(pgdata, "PG_VERSION"), "utf8"), "17\n");
});

test("a folder of somebody else's files is not taken for a database", async () => {
  const folder = join(base, "files");
  await mkdir(join(folder, "pgdata"), { recursive: true });
  await writeFile(join(folder, "pgdata", "thesis.txt"), "years of work");
  await assert.rejects(startEmbeddedPostgres({ dataDir: folder }), { reason: "start_failed" });
  assert.equal(await readFile(join(folder, "pgdata", "thesis.txt"), "utf8"), "years of work");
});

test("a data folder with a long path has its socket in a short private one", async () => {
  const folder = join(base, "long-".repeat(40), "data");
  const { postgres } = await start(folder);
  const socketFolder = postgres.connection.host;
  try {
    assert.ok(Buffer.byteLength(join(socketFolder, ".s.PGSQL.5432")) < 100);
    assert.equal(await modeOf(socketFolder), 0o700);
    await query(postgres, "select 1");
    await postgres.stop();

    await chmod(socketFolder, 0o755);
    await assert.rejects(startEmbeddedPostgres({ dataDir: folder }), {
      reason: "start_failed",
      message: /nobody else can enter/,
    });
  } finally {
    await rm(socketFolder, { recursive: true, force: true });
  }
});

test("a file in the place of the data folder is told", async () => {
  const file = join(base, "file");
  await writeFile(file, "");
  const refusal = { code: "failed_precondition", reason: "data_dir_not_writable" };
  await assert.rejects(startEmbeddedPostgres({ dataDir: file }), refusal);
  await assert.rejects(startEmbeddedPostgres({ dataDir: join(file, "data") }), refusal);
});

// Root can write everywhere; its tests run this file again as an ordinary user.
if (!isRoot()) {
  test("a data folder that cannot be written is told", async () => {
    const folder = join(base, "closed");
    await mkdir(folder, { mode: 0o500 });
    const refusal = { reason: "data_dir_not_writable", message: /choose another/ };
    await assert.rejects(startEmbeddedPostgres({ dataDir: folder }), refusal);
    await assert.rejects(startEmbeddedPostgres({ dataDir: join(folder, "data") }), refusal);
  });
}

/** One that is stopped after the test, whatever becomes of it. */
async function start(
  folder: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<{ readonly postgres: EmbeddedPostgres; readonly events: readonly string[] }> {
  const events: string[] = [];
  const log = (entry: { event: string }) => void events.push(entry.event);
  const postgres = await startEmbeddedPostgres({ dataDir: folder, log, settings });
  running.add(postgres);
  return { postgres, events };
}

interface OwnerProcess {
  readonly said: Readonly<Record<string, unknown>>;
  end(): Promise<void>;
  kill(): Promise<void>;
}

async function startOwner(folder: string): Promise<OwnerProcess> {
  const flags = ["--conditions=@hodei/source", "--input-type=module", "--eval", OWNER];
  const url = new URL("./start-embedded-postgres.ts", import.meta.url).href;
  const child = spawn(process.execPath, [...flags, url, folder], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const [line] = await once(child.stdout, "data");
  return {
    said: JSON.parse(String(line)),
    async end() {
      child.stdin.end();
      await exited;
    },
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

async function query(postgres: EmbeddedPostgres, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: postgres.databaseUrl });
  client.on("error", () => undefined); // a lost connection fails the query too, which is enough
  try {
    await client.connect();
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

async function countKept(postgres: EmbeddedPostgres): Promise<number> {
  const [row] = await query(postgres, "select count(*)::int as count from kept");
  return Number(row?.count);
}

async function settingsOf(postgres: EmbeddedPostgres): Promise<Record<string, unknown>> {
  const rows = await query(
    postgres,
    `select name, setting from pg_settings where name in ('data_checksums', 'fsync', 'full_page_writes',
      'listen_addresses', 'max_connections', 'server_encoding', 'synchronous_commit', 'TimeZone',
      'unix_socket_permissions')`,
  );
  return Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
}

const socketLockOf = (folder: string): string => join(socketFolderOf(folder), ".s.PGSQL.5432.lock");

const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

const runs = (pid: number): Promise<boolean> => isPostgresOf(pid, join(dataDir, "pgdata"));

async function waitFor(condition: () => Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const limit = AbortSignal.timeout(timeoutMs);
  while (!(await condition())) {
    limit.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
