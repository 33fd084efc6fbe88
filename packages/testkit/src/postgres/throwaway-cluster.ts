import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { access, mkdir, readdir, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getuid, kill, pid } from "node:process";
import { promisify } from "node:util";
import { isPlatformError } from "@hodei/domain";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "@hodei/server/embedded-postgres";

/** Survives no crash of the machine, and is several times faster for it. */
const THROWAWAY_SETTINGS = {
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  shared_buffers: "32MB",
  max_connections: "200",
};

export interface ThrowawayCluster {
  readonly databaseUrl: string;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

/**
 * A PostgreSQL of this process alone, started on a copy of an empty cluster that all test runs of this user share (0.5 s
 * instead of 2). Clusters whose processes were killed are ended and removed first.
 */
export async function startThrowawayCluster(): Promise<ThrowawayCluster> {
  const folder = join(tmpdir(), `hodei-test-${getuid?.() ?? "user"}`);
  await mkdir(folder, { recursive: true });
  await removeAbandoned(folder);
  const dataDir = ownFolder(folder);
  await copyEmptyCluster(folder, dataDir);
  const server = await startEmbeddedPostgres({ dataDir, settings: THROWAWAY_SETTINGS });
  return {
    databaseUrl: server.databaseUrl,
    stop: () => remove(server, dataDir),
  };
}

/** Named after this process, so that others can tell whether it still lives. */
function ownFolder(folder: string): string {
  return join(folder, `${pid}-${randomBytes(4).toString("hex")}`);
}

async function copyEmptyCluster(folder: string, dataDir: string): Promise<void> {
  const empty = join(folder, "empty");
  if (!(await exists(empty))) await makeEmptyCluster(folder, empty);
  // Not fs.cp: root's copy must keep the files' owner.
  await promisify(execFile)("cp", ["-Rp", empty, dataDir]);
}

/** Of several processes that do it at once, the first to finish makes it. */
async function makeEmptyCluster(folder: string, empty: string): Promise<void> {
  const own = ownFolder(folder);
  const server = await startEmbeddedPostgres({ dataDir: own, settings: THROWAWAY_SETTINGS });
  await server.stop();
  try {
    await rename(own, empty);
  } catch (error) {
    await rm(own, { recursive: true, force: true });
    if (!(await exists(empty))) throw error;
  }
}

async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const owner = Number(/^(\d+)-[0-9a-f]{8}$/.exec(name)?.[1]);
    if (Number.isNaN(owner) || isAlive(owner)) continue;
    const dataDir = join(folder, name);
    try {
      // PostgreSQL outlives its owner; a start takes it over, so that it can be stopped.
      const running = await exists(join(dataDir, "pgdata", "postmaster.pid"));
      if (running)
        await (await startEmbeddedPostgres({ dataDir, settings: THROWAWAY_SETTINGS })).stop();
    } catch (error) {
      // Another test process is removing it. Whatever else is wrong with it: it goes.
      if (isPlatformError(error) && error.reason === "already_running") continue;
    }
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function remove(server: EmbeddedPostgres, dataDir: string): Promise<void> {
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
}

function isAlive(processId: number): boolean {
  try {
    return kill(processId, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
