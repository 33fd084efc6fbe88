import type { PostgresAddress } from "./connection.ts";
import { PostgresPartitions } from "./partitions.ts";

/**
 * The days of logs, by the assignment of their attempts. A day is needed while one of its attempts runs, or ended too
 * short a time ago: a log stays for the whole retention after its attempt's end.
 */
export function logPartitions(address: PostgresAddress): PostgresPartitions {
  const isNeeded = `exists (
      select from attempt
      where assigned_at >= day_start and assigned_at < day_end and (finished_at is null or finished_at > kept_from))
    or exists (
      select from finished_attempt
      where assigned_at >= day_start and assigned_at < day_end and finished_at > kept_from)`;
  return new PostgresPartitions({ address, table: { name: "log_chunk", isNeeded } });
}
