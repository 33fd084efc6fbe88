import { isPlatformError } from "@hodei/domain";
import pg from "pg";

/** A row came for a day that has no partition yet. */
export interface MissingPartition {
  readonly table: string;
  /** Value of the partition key, as the database writes it. */
  readonly key: string;
}

/**
 * What the driver's `error` says is missing; `undefined` for every other error. Not by the words of it, which are in the
 * language of the database. Source: `ExecFindPartition` in PostgreSQL 18, `src/backend/executor/execPartition.c`.
 */
export function missingPartitionOf(error: unknown): MissingPartition | undefined {
  const { table, routine, detail = "" } = error instanceof pg.DatabaseError ? error : {};
  if (routine !== "ExecFindPartition") return undefined;
  const [, key] = /\(\w+\) = \((.+)\)/.exec(detail) ?? [];
  return table === undefined || key === undefined ? undefined : { table, key };
}

/** The same of what adapters throw. */
export function findMissingPartition(error: unknown): MissingPartition | undefined {
  return isPlatformError(error) ? missingPartitionOf(error.cause) : undefined;
}
