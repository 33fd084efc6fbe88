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
  // Not at the top: most tests want builders only, and need not wait for database drivers to load.
  const { startServer } = await import("./start-server.ts");
  return startServer();
}

/** One database on a server of its own, which ends with it. For files that need a single one. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const postgres = await startTestPostgres();
  const { url } = await postgres.createDatabase();
  return { url, drop: () => postgres.stop() };
}
