import { randomBytes } from "node:crypto";
import { migrate } from "@hodei/server/postgres";
import pg from "pg";
import { externalDatabaseUrl } from "./config.ts";
import { startThrowawayCluster, type ThrowawayCluster } from "./throwaway-cluster.ts";

/** An empty database with all tables, for one test. */
export interface TestDatabase {
  readonly url: string;
  /** Ends every connection to it and removes it. */
  drop(): Promise<void>;
}

/** A server for the tests of one file; each test takes a database of its own. */
export interface TestPostgres {
  createDatabase(): Promise<TestDatabase>;
  /** Removes whatever is left. */
  stop(): Promise<void>;
}

/**
 * Starts an embedded PostgreSQL of this process alone, or uses the server that `HODEI_TEST_DATABASE_URL` names. Call
 * `stop` in `after`: the process does not end on its own before.
 */
export async function startTestPostgres(): Promise<TestPostgres> {
  const externalUrl = externalDatabaseUrl();
  const cluster: ThrowawayCluster =
    externalUrl === undefined
      ? await startThrowawayCluster()
      : { databaseUrl: externalUrl, stop: async () => undefined };
  const names = new Names();
  const template = names.next();
  try {
    await runSql(cluster.databaseUrl, `create database ${template}`);
    await migrate(withDatabase(cluster.databaseUrl, template));
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  const drop = (name: string) =>
    runSql(cluster.databaseUrl, `drop database if exists ${name} with (force)`);
  return {
    createDatabase: async () => {
      const name = names.next();
      await runSql(cluster.databaseUrl, `create database ${name} template ${template}`);
      return { url: withDatabase(cluster.databaseUrl, name), drop: () => drop(name) };
    },
    stop: async () => {
      if (externalUrl !== undefined) for (const name of names.given) await drop(name);
      await cluster.stop();
    },
  };
}

/** One database on a server of its own, which ends with it. For files that need a single one. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const postgres = await startTestPostgres();
  const { url } = await postgres.createDatabase();
  return { url, drop: () => postgres.stop() };
}

/** Names that no other process on the same server uses. */
class Names {
  readonly given: string[] = [];
  readonly #prefix = `hodei_test_${randomBytes(6).toString("hex")}`;

  next(): string {
    const name = `${this.#prefix}_${this.given.length}`;
    this.given.push(name);
    return name;
  }
}

function withDatabase(databaseUrl: string, name: string): string {
  const url = new URL(databaseUrl);
  url.pathname = `/${name}`;
  return url.href;
}

async function runSql(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
