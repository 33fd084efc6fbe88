import { join } from "node:path";
import type { Logger } from "@hodei/domain";
import type { ServerConfig } from "./config.ts";
import { startEmbeddedPostgres } from "./infrastructure/embedded-postgres/index.ts";
import {
  migrate,
  type PostgresAddress,
  waitUntilReachable,
} from "./infrastructure/postgres/index.ts";

/** A database that is reachable and up to date. */
export interface StartedDatabase {
  readonly address: PostgresAddress;
  /** Stops the embedded one; does nothing to one that was given by URL. */
  stop(): Promise<void>;
}

/** The database of the settings; one given by URL is waited for, with a notice for each failed try. */
export async function startDatabase(
  config: ServerConfig,
  log: Logger,
  signal: AbortSignal,
): Promise<StartedDatabase> {
  if (config.databaseUrl !== undefined) {
    const address = config.databaseUrl;
    await waitFor(address, config.databaseWaitMs, log, signal);
    await update(address, log);
    return { address, stop: async () => {} };
  }
  const postgres = await startEmbeddedPostgres({
    dataDir: join(config.dataDir, "postgres"),
    log: ({ event, ...fields }) => log.info(event, fields),
  });
  try {
    await update(postgres.connection, log);
  } catch (error) {
    await postgres.stop();
    throw error;
  }
  return { address: postgres.connection, stop: () => postgres.stop() };
}

async function waitFor(
  address: PostgresAddress,
  limitMs: number,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  let last: unknown;
  try {
    await waitUntilReachable({
      address,
      signal: AbortSignal.any([signal, AbortSignal.timeout(limitMs)]),
      onUnreachable: (error, nextTryInMs) => {
        last = error;
        log.warn("database_unreachable", { message: error.message, nextTryInMs });
      },
    });
  } catch (error) {
    throw signal.aborted ? error : (last ?? error);
  }
}

async function update(address: PostgresAddress, log: Logger): Promise<void> {
  const steps = await migrate(address);
  if (steps.length > 0) log.info("database_migrated", { steps });
}
