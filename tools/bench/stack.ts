import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, type HodeiClient } from "@hodei/sdk";
import { type PostgresSettings, startEmbeddedPostgres } from "@hodei/server/embedded-postgres";
import { startServer } from "./server-process.ts";

export interface StackOptions {
  /** Workers of the local pool, each with its share of the machine. */
  readonly workerCount: number;
  /** Over the durable ones that users have. */
  readonly postgresSettings?: PostgresSettings;
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
  readonly serverPid: number;
  /** Where workers reach the server. */
  readonly workerUrl: string;
}

/** Runs `work` with a new stack and removes it afterwards, with all its files. Fails when `signal` is aborted. */
export async function withStack<T>(
  { workerCount, postgresSettings = {}, signal }: StackOptions,
  work: (stack: Stack) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "hodei-bench-"));
  const ending: (() => Promise<void> | void)[] = [
    () => rm(folder, { recursive: true, force: true }),
  ];
  try {
    // PostgreSQL does not run as root; its own account must be able to reach its folder.
    await chmod(folder, 0o711);
    const { databaseUrl, stop } = await startEmbeddedPostgres({
      dataDir: join(folder, "postgres"),
      settings: postgresSettings,
    });
    ending.push(stop);
    const count = String(workerCount);
    const server = await startServer({
      dataDir: join(folder, "server"),
      databaseUrl,
      settings: {
        HODEI_SERVER_LOCAL_WORKERS_MIN: count,
        HODEI_SERVER_LOCAL_WORKERS_MAX: count,
        HODEI_SERVER_LOCAL_WORKERS_ALLOW_ROOT: "true",
      },
      signal,
    });
    ending.push(server.stop);
    return await work({
      databaseUrl,
      folder,
      serverPid: server.pid,
      workerUrl: server.workerUrl,
      connect: () => {
        const client = createClient({ endpoint: server.publicUrl, token: server.token });
        ending.push(() => client.close());
        return client;
      },
    });
  } finally {
    for (const end of ending.toReversed()) await end();
  }
}
