import { fileURLToPath } from "node:url";
import { runner } from "node-pg-migrate";
import { clientConfig, type PostgresAddress } from "./connection.ts";
import { toPlatformError } from "./postgres-error.ts";

const MIGRATIONS_FOLDER = fileURLToPath(new URL("../../../migrations", import.meta.url));

const ignore = () => undefined;

/**
 * Brings the tables up to date, all steps in one transaction, and returns the names of the steps that were missing. Safe
 * when several servers start at once: the others wait for the first.
 * @throws PlatformError
 */
export async function migrate(address: PostgresAddress): Promise<readonly string[]> {
  try {
    const steps = await runner({
      // A step may take long, and so may the wait for another server's.
      databaseUrl: { ...clientConfig(address), statement_timeout: false, pipeline: false },
      dir: MIGRATIONS_FOLDER,
      migrationsTable: "migration",
      direction: "up",
      advisoryLockMode: "wait",
      // What it has to tell it also throws or returns.
      logger: { debug: ignore, info: ignore, warn: ignore, error: ignore },
    });
    return steps.map(({ name }) => name);
  } catch (error) {
    throw toPlatformError(error);
  }
}
