import { randomBytes } from "node:crypto";
import { migrate } from "@hodei/server/postgres";
import pg from "pg";
import { externalDatabaseUrl } from "./config.ts";
import type { TestPostgres } from "./test-postgres.ts";
import { startThrowawayCluster, type ThrowawayCluster } from "./throwaway-cluster.ts";

/** See `startTestPostgres`. */
export async function startServer(): Promise<TestPostgres> {
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
