import { isPlatformError } from "@hodei/domain";
import pg from "pg";

/** A row came for a day that has no partition yet. */
export interface MissingPartition {
  readonly table: string;
  /** Value of the partition key, as the database writes it. */
  readonly key: string;
}

/** What the driver's `error` says is missing; `undefined` for every other error. */
export function missingPartitionOf(error: unknown): MissingPartition | undefined {
  const { table, detail = "" } = error instanceof pg.DatabaseError ? error : {};
  const [, key] =
    /^Partition key of the failing row contains \(\w+\) = \((.+)\)\.$/.exec(detail) ?? [];
  return table === undefined || key === undefined ? undefined : { table, key };
}

/** The same of what adapters throw. */
export function findMissingPartition(error: unknown): MissingPartition | undefined {
  return isPlatformError(error) ? missingPartitionOf(error.cause) : undefined;
}
