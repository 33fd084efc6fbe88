import type { PostgresAddress } from "./connection.ts";
import { PostgresPartitions } from "./partitions.ts";

/** The days of events, by their time. None is needed once its time is over: who reads on from there goes on behind it. */
export function eventPartitions(address: PostgresAddress): PostgresPartitions {
  return new PostgresPartitions({ address, table: { name: "event", isNeeded: "false" } });
}
