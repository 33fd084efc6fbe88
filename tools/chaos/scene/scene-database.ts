import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "@hodei/server/embedded-postgres";
import type { Target } from "@hodei/testkit";
import pg from "pg";

/** The database of a run: in a folder of its own, run by this process or, while one runs, by the server. */
export class SceneDatabase {
  readonly #dataDir: string;
  #postgres: EmbeddedPostgres | undefined;

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
  }

  /** Runs it in this process; not while a server does. */
  async start(): Promise<void> {
    this.#postgres = await startEmbeddedPostgres({ dataDir: this.#dataDir });
  }

  /** For this process. */
  get url(): string {
    return this.#started.databaseUrl;
  }

  /** For a server behind a link, which speaks TCP, on a port of 127.0.0.1. */
  urlAt(port: number): string {
    const { user, password, database } = this.#started.connection;
    return `postgresql://${user}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;
  }

  /** Where a link leads to it. Source: PostgreSQL's documentation of `unix_socket_directories`. */
  get target(): Target {
    const { host, port } = this.#started.connection;
    return { path: join(host, `.s.PGSQL.${port}`) };
  }

  /** Stops it in order, with all connections cut, and starts it again after `pauseMs`. */
  async restart(pauseMs: number): Promise<void> {
    await this.#started.stop();
    await delay(pauseMs);
    await this.start();
  }

  /** As a power failure does; it is started again by whoever runs it. */
  kill(): void {
    process.kill(this.#started.pid, "SIGKILL");
  }

  /** Ends about `share` of the connections of others. One that lets nobody in has none. */
  async killBackends(share: number): Promise<void> {
    const client = new pg.Client({ connectionString: this.url });
    client.on("error", () => {}); // Its query fails with it.
    try {
      await client.connect();
      await client.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where backend_type = 'client backend' and pid <> pg_backend_pid() and random() < $1`,
        [share],
      );
    } catch {
      // It is just recovering from another fault, which has ended every connection.
    } finally {
      await client.end().catch(() => {});
    }
  }

  /** Ends it, whoever started it. May be repeated. */
  async stop(): Promise<void> {
    if (this.#postgres === undefined) {
      // A server that was killed leaves it running; whoever starts it takes it over.
      if (!existsSync(join(this.#dataDir, "pgdata", "postmaster.pid"))) return;
      await this.start();
    }
    await this.#postgres?.stop();
    this.#postgres = undefined;
  }

  get #started(): EmbeddedPostgres {
    if (this.#postgres === undefined) throw new Error("the database does not run in this process");
    return this.#postgres;
  }
}
