import { bootFailures, type Worker } from "@hodei/domain";
import type { Deps } from "./deps.ts";
import { NEWEST_COUNT } from "./provision-workers.ts";

export interface PoolReason {
  readonly code: "booting" | "boot_failures" | "pool_full";
  readonly message: string;
  readonly workerCount: number;
}

/** What keeps each pool from making another worker now. */
export async function poolReasons(
  { pools, database }: Pick<Deps, "pools" | "database">,
  workers: readonly Worker[],
): Promise<readonly PoolReason[]> {
  const reasons = pools.map(async ({ pool }): Promise<PoolReason[]> => {
    const own = workers.filter((worker) => worker.pool === pool.name);
    const booting = own.filter(({ connectedAt }) => connectedAt === null).length;
    if (booting > 0) {
      const message = `${booting} workers of pool ${pool.name} are starting`;
      return [{ code: "booting", message, workerCount: booting }];
    }
    if (own.length >= pool.maxWorkers) {
      const message = `pool ${pool.name} has its maximum of ${pool.maxWorkers} workers`;
      return [{ code: "pool_full", message, workerCount: own.length }];
    }
    const failures = bootFailures(await database.readers.workers.listNewest(pool, NEWEST_COUNT));
    if (failures === undefined) return [];
    const { count, retryAt } = failures;
    const message = `the last ${count} workers of pool ${pool.name} did not come up; the next is made at ${retryAt.toISOString()}`;
    return [{ code: "boot_failures", message, workerCount: 0 }];
  });
  return (await Promise.all(reasons)).flat();
}
