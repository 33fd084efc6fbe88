/** PostgreSQL settings by name, as `postgresql.conf` would have them. */
export type PostgresSettings = Readonly<Record<string, string>>;

/** Also part of the socket's file name; nothing listens on a TCP port of this number. */
export const SOCKET_PORT = 5432;

/** Superuser made at the first start, and the database it connects to. */
export const SUPERUSER = "hodei";
export const DATABASE = "postgres";

/**
 * Durable, and modest enough for a laptop. Source: PostgreSQL 18 documentation, chapter 19.
 */
const DEFAULT_SETTINGS: PostgresSettings = {
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  shared_buffers: "128MB",
  // At the limit PostgreSQL refuses the connection ("too many clients"); three stay free for superusers.
  max_connections: "100",
  timezone: "UTC",
  log_timezone: "UTC",
  log_line_prefix: "%m [%p] ",
  // A statement may carry a secret as a literal: the error is logged without it.
  log_min_error_statement: "panic",
  log_checkpoints: "off",
  // A server that died in the middle of a long query lets go of its locks within this time.
  client_connection_check_interval: "2s",
};

/**
 * The whole command line after the program's name. All settings stand on it, so that the arguments
 * of a running PostgreSQL say how it runs: another version or setting is another command line.
 */
export function postmasterArguments(options: {
  readonly pgdata: string;
  readonly socketFolder: string;
  readonly version: string;
  readonly settings: PostgresSettings;
}): string[] {
  const settings: PostgresSettings = {
    ...DEFAULT_SETTINGS,
    ...options.settings,
    // Shown by ps; being on the command line it also tells one version from the next.
    cluster_name: `hodei-${options.version}`,
    listen_addresses: "",
    port: String(SOCKET_PORT),
    unix_socket_directories: `"${options.socketFolder.replaceAll('"', '""')}"`,
    unix_socket_permissions: "0700",
  };
  const assignments = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  return ["-D", options.pgdata, ...assignments.flatMap((assignment) => ["-c", assignment])];
}

/** Whether the cluster is meant to survive a power failure; tests switch it off for speed. */
export function isDurable(settings: PostgresSettings): boolean {
  return settings.fsync !== "off";
}
