import { isPlatformError } from "@hodei/domain";
import { readServerConfig, type ServerOptions } from "./config.ts";
import { createJsonLog } from "./infrastructure/system/json-log.ts";
import { type Server, startServer } from "./start-server.ts";

const STDERR = 2;

export interface RunOptions {
  /** Settings; what is not given comes from `HODEI_SERVER_*`. */
  readonly settings: Partial<ServerOptions>;
  /** Program and arguments that run a worker on this machine. */
  readonly workerCommand: readonly string[];
  /** Told once the server can be used. */
  readonly onReady?: (server: Server) => Promise<void>;
}

/**
 * Runs a server in this process until SIGTERM, SIGINT or its idle time ends it; a second signal ends the process at
 * once. Resolves to the exit code: 0 after an orderly stop, 1 if it could not start, with the reason on stderr.
 */
export async function runServer({ settings, workerCommand, onReady }: RunOptions): Promise<number> {
  const abort = new AbortController();
  const stopped = new Promise<void>((resolve) => {
    abort.signal.addEventListener("abort", () => resolve());
  });
  const onSignal = (): void => {
    if (abort.signal.aborted) process.exit(1);
    abort.abort();
  };
  process.on("SIGTERM", onSignal).on("SIGINT", onSignal);
  try {
    const config = readServerConfig(settings, process.env);
    const server = await startServer({
      config,
      log: createJsonLog(config.logLevel, STDERR),
      workerCommand,
      environment: process.env,
      signal: abort.signal,
      onIdle: () => abort.abort(),
    });
    try {
      await onReady?.(server);
      await stopped;
    } finally {
      await server.stop();
    }
    return 0;
  } catch (error) {
    if (isPlatformError(error, "cancelled") && abort.signal.aborted) return 0;
    if (!isPlatformError(error)) throw error;
    process.stderr.write(`hodei: ${error.message}\n`);
    return 1;
  } finally {
    process.off("SIGTERM", onSignal).off("SIGINT", onSignal);
  }
}
