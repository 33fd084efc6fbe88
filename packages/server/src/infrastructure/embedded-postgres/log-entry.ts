/**
 * What the launcher tells: a fixed `event` name, a sentence for people, and fields. Never a secret.
 */
export type EmbeddedPostgresLogEntry = Readonly<
  { event: string; message: string } & Record<string, string | number>
>;

/** Where it tells it; called at most a few times in a start or stop. */
export type EmbeddedPostgresLog = (entry: EmbeddedPostgresLogEntry) => void;
