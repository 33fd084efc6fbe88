import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { PlatformError } from "@hodei/domain";
import { runner } from "node-pg-migrate";
import pg, { type Client } from "pg";
import { clientConfig, type PostgresAddress } from "./connection.ts";
import { toPlatformError } from "./postgres-error.ts";

const MIGRATIONS_FOLDER = fileURLToPath(new URL("../../../migrations", import.meta.url));

const ignore = () => undefined;

/**
 * Brings the tables up to date, all steps in one transaction, and returns the names of the steps that were missing. Safe
 * when several servers start at once: the others wait for the first.
 * @throws PlatformError `failed_precondition`, reason `schema_too_new`, if a newer server has changed them beyond us
 */
export async function migrate(address: PostgresAddress): Promise<readonly string[]> {
  // A step may take long, and so may the wait for another server's.
  const config = { ...clientConfig(address), statement_timeout: false as const, pipeline: false };
  const client = new pg.Client(config);
  client.on("error", () => undefined); // what is under way, or comes next, rejects
  try {
    await client.connect();
    const steps = await runner({
      dbClient: client,
      dir: MIGRATIONS_FOLDER,
      migrationsTable: "migration",
      direction: "up",
      advisoryLockMode: "wait",
      // What it has to tell it also throws or returns.
      logger: { debug: ignore, info: ignore, warn: ignore, error: ignore },
    });
    await checkFloor(client);
    return steps.map(({ name }) => name);
  } catch (error) {
    throw toPlatformError(error);
  } finally {
    await client.end();
  }
}

/**
 * Tables that a newer server has added to are fine; those that it has taken something from that we need are not.
 * @throws PlatformError `failed_precondition`
 */
async function checkFloor(client: Client): Promise<void> {
  const files = await readdir(MIGRATIONS_FOLDER);
  const known = Math.max(...files.map((name) => Number.parseInt(name, 10)));
  const { rows } = await client.query<{ step: number }>("select step from schema_floor");
  const step = rows[0]?.step ?? 0;
  if (step <= known) return;
  throw new PlatformError(
    "failed_precondition",
    "schema_too_new",
    `the database needs a server that knows step ${step} of its tables, and this one knows ${known}; install the version that it was last used with`,
  );
}
