import type { Logger } from "@hodei/domain";
import type { Settings } from "./application/index.ts";
import type { ServerConfig } from "./config.ts";
import { makeDataDir } from "./files.ts";
import { createReplica } from "./replica.ts";
import { startDatabase } from "./start-database.ts";

export interface StartOptions {
  readonly config: ServerConfig;
  readonly log: Logger;
  /** Program and arguments that run a worker on this machine. */
  readonly workerCommand: readonly string[];
  /** What local workers inherit their search path, locale and the like from. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Gives up waiting for the database. */
  readonly signal: AbortSignal;
  /** Asked for by the server itself, when it has been idle for long enough. */
  readonly onIdle: () => void;
  /** Other times and bounds than the defaults, for tests. */
  readonly settings?: Partial<Settings>;
}

export interface Server {
  /** `http://host:port`, or `https://`. */
  readonly publicUrl: string;
  readonly workerUrl: string;
  /** File with the token that the public listener takes. */
  readonly apiTokenFile: string;
  /** Stops everything in order; may be called again. Jobs go on unless the settings say otherwise. */
  stop(): Promise<void>;
}

/**
 * Starts one replica: database, listeners, loops. What was started is stopped again if a later part fails.
 * @throws PlatformError saying what is wrong and what to do
 */
export async function startServer(options: StartOptions): Promise<Server> {
  const { config, log, signal } = options;
  await makeDataDir(config.dataDir);
  const database = await startDatabase({ config, log, signal });
  const replica = await createReplica(options, database).catch(async (error: unknown) => {
    await database.stop();
    throw error;
  });
  const stop = once(async () => {
    await replica.stop();
    await database.stop();
    log.info("server_stopped");
  });
  try {
    await replica.start();
  } catch (error) {
    await stop();
    throw error;
  }
  const { publicUrl, workerUrl, apiTokenFile } = replica;
  log.info("server_ready", { publicUrl: publicUrl(), workerUrl: workerUrl() });
  return { publicUrl: publicUrl(), workerUrl: workerUrl(), apiTokenFile, stop };
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => {
    done ??= work();
    return done;
  };
}
