import { Client } from "pg";
import { DATABASE, SOCKET_PORT, SUPERUSER } from "./settings.ts";

/** How to connect, in the words of the `pg` driver. */
export interface PostgresConnection {
  /** Folder of the Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

const CONNECT_TIMEOUT_MS = 10_000;

export function connectionTo(socketFolder: string, password: string): PostgresConnection {
  return { host: socketFolder, port: SOCKET_PORT, user: SUPERUSER, password, database: DATABASE };
}

/** The same as a URL, for PostgreSQL drivers in general. It carries the password: not for logs. */
export function toDatabaseUrl(connection: PostgresConnection): string {
  const { host, port, user, password, database } = connection;
  // localhost stands in for the host, which `host` replaces: not every parser accepts an empty one.
  const url = new URL(`postgresql://localhost/${database}`);
  url.username = user;
  url.password = password;
  url.searchParams.set("host", host);
  url.searchParams.set("port", String(port));
  return url.href;
}

/**
 * Proves that the PostgreSQL behind `connection` lets us in and serves `pgdata`.
 * @throws what the driver throws.
 */
export async function assertServes(connection: PostgresConnection, pgdata: string): Promise<void> {
  const client = new Client({ ...connection, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  // A loss of the connection also fails what is waited for below, which tells it.
  client.on("error", () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ path: string }>(
      "select current_setting('data_directory') as path",
    );
    if (rows[0]?.path !== pgdata) {
      throw new Error(
        `the PostgreSQL at ${connection.host} serves ${rows[0]?.path}, not ${pgdata}`,
      );
    }
  } finally {
    await client.end();
  }
}
