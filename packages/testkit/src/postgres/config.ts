/** URL of the PostgreSQL server that tests use instead of an embedded one, if `HODEI_TEST_DATABASE_URL` names one. */
export function externalDatabaseUrl(): string | undefined {
  return process.env.HODEI_TEST_DATABASE_URL || undefined;
}
