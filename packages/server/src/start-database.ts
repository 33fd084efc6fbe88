import { join } from "node:path";
import type { Logger } from "@hodei/domain";
import type { ServerConfig } from "./config.ts";
import { startEmbeddedPostgres } from "./infrastructure/embedded-postgres/index.ts";
import {
  type AvailabilityOptions,
  DatabaseSockets,
  DatabaseWatch,
  migrate,
  type PostgresAddress,
  whenAvailable,
} from "./infrastructure/postgres/index.ts";

/** Longer than any transaction of ours; a backup may take longer, and then it is good to know why tables grow. */
const SNAPSHOT_LIMIT_MS = 300_000;

/** A database that is up to date. */
export interface StartedDatabase {
  readonly address: PostgresAddress;
  /** Does `work` as soon as the database can be used, for what has to be done before the server is of use. */
  readonly whenAvailable: <T>(work: () => Promise<T>) => Promise<T>;
  /** Ends every connection, and the embedded database. */
  stop(): Promise<void>;
}

interface StartOptions {
  readonly config: ServerConfig;
  readonly log: Logger;
  /** Gives up waiting. */
  readonly signal: AbortSignal;
}

/**
 * The database of the settings, watched from now on. Each wait for one that is away, or goes away meanwhile, is as long as
 * the settings say, with a notice for each failed try.
 * @throws PlatformError
 */
export async function startDatabase(options: StartOptions): Promise<StartedDatabase> {
  const { config, log, signal } = options;
  const server = await openServer(options);
  const sockets = new DatabaseSockets();
  const address = sockets.watched(server.address);
  const watch = new DatabaseWatch({
    address,
    sockets,
    onTrouble: ({ message }) => log.warn("database_connection_lost", { message }),
    snapshotLimitMs: SNAPSHOT_LIMIT_MS,
    onOldSnapshot: (snapshot) => log.warn("old_snapshot", { ...snapshot }),
  });
  const availability: AvailabilityOptions = {
    limitMs: config.databaseWaitMs,
    onUnavailable: ({ message }, nextTryInMs) =>
      log.warn("database_unreachable", { message, nextTryInMs }),
    signal,
  };
  const stop = async () => {
    await watch.stop();
    sockets.endAll();
    await server.stop();
  };
  try {
    // At once, as a database may fall silent in the middle of a step. While it is away `migrate` tells.
    await watch.start();
    const steps = await whenAvailable(availability, () => migrate(address));
    if (steps.length > 0) log.info("database_migrated", { steps });
  } catch (error) {
    await stop();
    throw error;
  }
  return { address, whenAvailable: (work) => whenAvailable(availability, work), stop };
}

/** The one that was given by URL, or the embedded one. */
async function openServer({ config, log }: StartOptions) {
  if (config.databaseUrl !== undefined) {
    return { address: config.databaseUrl, stop: async () => {} };
  }
  const postgres = await startEmbeddedPostgres({
    dataDir: join(config.dataDir, "postgres"),
    log: ({ event, ...fields }) => log.info(event, fields),
  });
  return { address: postgres.connection, stop: () => postgres.stop() };
}
