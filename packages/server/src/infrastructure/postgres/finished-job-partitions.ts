import type { PostgresAddress } from "./connection.ts";
import { PostgresPartitions } from "./partitions.ts";

/** The days of finished jobs and, apart, of their attempts, by when the job goes. None is needed once its day is over. */
export function finishedJobPartitions(address: PostgresAddress): readonly PostgresPartitions[] {
  return ["finished_job", "finished_attempt"].map(
    (name) => new PostgresPartitions({ address, table: { name, isNeeded: "false" } }),
  );
}
