import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { endProcess, spawnHodei, waitForEvent } from "./processes.ts";

export interface ServerOptions {
  readonly dataDir: string;
  readonly databaseUrl: string;
  /** Settings on top of these two, as `HODEI_SERVER_…` has them. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Gives up waiting for the start. */
  readonly signal: AbortSignal;
}

/** A server as users run it: a process of its own, on ports that were free. */
export interface ServerProcess {
  readonly pid: number;
  readonly publicUrl: string;
  readonly workerUrl: string;
  /** What the public listener takes. */
  readonly token: string;
  /** Stops it in order; nothing happens if it has ended. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when it is dead. */
  kill(): Promise<void>;
}

/** Resolves when the server is ready. @throws Error with the log's last lines if it does not start */
export async function startServer(options: ServerOptions): Promise<ServerProcess> {
  const { dataDir, databaseUrl, settings, signal } = options;
  const flags = ["--data-dir", dataDir, "--public-port", "0", "--worker-port", "0"];
  const child = spawnHodei(["server", ...flags], {
    HODEI_SERVER_DATABASE_URL: databaseUrl,
    HODEI_SERVER_STOP_WORKERS_ON_EXIT: "true",
    ...settings,
  });
  try {
    const ready = await waitForEvent(child, "server_ready", signal);
    const tokenFile = settings?.HODEI_SERVER_API_TOKEN_FILE ?? join(dataDir, "api-token");
    const token = await readFile(tokenFile, "utf8");
    return {
      pid: child.pid ?? 0,
      publicUrl: String(ready.publicUrl),
      workerUrl: String(ready.workerUrl),
      token: token.trim(),
      stop: () => endProcess(child, "SIGTERM"),
      kill: () => endProcess(child, "SIGKILL"),
    };
  } catch (error) {
    await endProcess(child, "SIGKILL");
    throw error;
  }
}
