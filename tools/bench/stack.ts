import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createClient, type HodeiClient } from "@hodei/sdk";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "@hodei/server/embedded-postgres";
import { ROOT } from "../repository.ts";

/** A server that takes longer than this to say that it is ready has failed. */
const READY_LIMIT_MS = 60_000;
/** A server that has not stopped after this is killed. */
const STOP_LIMIT_MS = 30_000;
/** Lines of the server's log that are kept to explain a failed start; older ones are dropped. */
const LOG_LINES_MAX = 5;

export interface StackOptions {
  /** Workers of the local pool, each with its share of the machine. */
  readonly workerCount: number;
  readonly signal: AbortSignal;
}

/** Hodei as users run it, apart from theirs: PostgreSQL with durable settings, server and workers as own processes. */
export interface Stack {
  /** A client with a connection of its own, closed with the stack. */
  connect(): HodeiClient;
  /** Of the server's database. */
  readonly databaseUrl: string;
  /** Where all its files are, those of its workers included. */
  readonly folder: string;
}

/** Runs `work` with a new stack and removes it afterwards, with all its files. Fails when `signal` is aborted. */
export async function withStack<T>(
  { workerCount, signal }: StackOptions,
  work: (stack: Stack) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "hodei-bench-"));
  const ending: (() => Promise<void> | void)[] = [
    () => rm(folder, { recursive: true, force: true }),
  ];
  try {
    // PostgreSQL does not run as root; its own account must be able to reach its folder.
    await chmod(folder, 0o711);
    const postgres = await startEmbeddedPostgres({ dataDir: join(folder, "postgres") });
    ending.push(() => postgres.stop());
    const server = spawnServer(folder, postgres, workerCount);
    ending.push(() => stopServer(server));
    const endpoint = await waitUntilReady(server, signal);
    const token = (await readFile(join(folder, "server", "api-token"), "utf8")).trim();
    return await work({
      databaseUrl: postgres.databaseUrl,
      folder,
      connect: () => {
        const client = createClient({ endpoint, token });
        ending.push(() => client.close());
        return client;
      },
    });
  } finally {
    for (const end of ending.toReversed()) await end();
  }
}

function spawnServer(
  folder: string,
  postgres: EmbeddedPostgres,
  workerCount: number,
): ChildProcess {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("HODEI_"));
  const count = String(workerCount);
  const flags = ["--data-dir", join(folder, "server"), "--public-port", "0", "--worker-port", "0"];
  const workers = ["--local-workers-min", count, "--local-workers-max", count];
  return spawn(
    process.execPath,
    [join(ROOT, "packages/cli/bin/hodei.mjs"), "server", ...flags, ...workers],
    {
      // Ctrl-C is for this process, which then stops the server.
      detached: true,
      stdio: ["ignore", "ignore", "pipe"],
      env: {
        ...Object.fromEntries(inherited),
        HODEI_SERVER_DATABASE_URL: postgres.databaseUrl,
        HODEI_SERVER_STOP_WORKERS_ON_EXIT: "true",
      },
    },
  );
}

/** The address of the API, from the server's log. @throws Error with the log's last lines if the server does not start */
async function waitUntilReady(server: ChildProcess, signal: AbortSignal): Promise<string> {
  if (server.stderr === null) throw new Error("the server was started with its log in a pipe");
  const limit = AbortSignal.any([signal, AbortSignal.timeout(READY_LIMIT_MS)]);
  const log: string[] = [];
  // The log is read to its end, so that the server never waits for a reader.
  const lines = createInterface({ input: server.stderr });
  return new Promise<string>((resolve, reject) => {
    const fail = (what: string) => reject(new Error(`${what}:\n${log.join("\n")}`));
    limit.addEventListener("abort", () => fail("the server did not get ready"), { once: true });
    server.once("error", reject);
    lines.once("close", () => fail("the server has ended"));
    lines.on("line", (line) => {
      if (log.push(line) > LOG_LINES_MAX) log.shift();
      const { event, publicUrl } = parseEntry(line);
      if (event === "server_ready" && publicUrl !== undefined) resolve(publicUrl);
    });
  });
}

function parseEntry(line: string): { readonly event?: string; readonly publicUrl?: string } {
  try {
    return JSON.parse(line);
  } catch {
    return {}; // A line that is not of the server's own log.
  }
}

async function stopServer(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null || server.pid === undefined) return;
  const exited = once(server, "exit");
  server.kill("SIGTERM");
  const kill = setTimeout(() => server.kill("SIGKILL"), STOP_LIMIT_MS);
  await exited;
  clearTimeout(kill);
}
