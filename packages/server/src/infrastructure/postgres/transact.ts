import { setTimeout as delay } from "node:timers/promises";
import type { EventRecord } from "@hodei/domain";
import type { Pool, PoolClient } from "pg";
import { findMissingPartition } from "./missing-partition.ts";
import { createMissingPartition } from "./partitions.ts";
import { isConnectionLost, isTransient, toPlatformError } from "./postgres-error.ts";
import { Transaction } from "./sql.ts";

/** Tries of one transaction in all; the last one's error is the caller's. */
const TRIES_MAX = 5;
/** Upper bound of the pause before the second try; doubles with each. */
const RETRY_PAUSE_MS = 10;

export interface Committed<T> {
  readonly result: T;
  readonly events: readonly EventRecord[];
}

/**
 * Runs `work` in one transaction (READ COMMITTED) and commits it, or rolls back if it throws. Deadlocks and serialization
 * failures are tried again, and so is what found no partition, once that is made.
 * @throws PlatformError
 */
export function transact<T>(
  pool: Pool,
  work: (transaction: Transaction) => Promise<T>,
): Promise<Committed<T>> {
  return retryTransient(pool, () => transactOnce(pool, work));
}

/**
 * Tries again after a random pause, so that those who collided do not collide again. A row that found no partition
 * finds one then.
 */
export async function retryTransient<T>(pool: Pool, work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      const missing = findMissingPartition(error);
      if ((missing === undefined && !isTransient(error)) || tries === TRIES_MAX) throw error;
      if (missing !== undefined) await createMissingPartition(pool, missing);
      else await delay(Math.random() * RETRY_PAUSE_MS * 2 ** (tries - 1));
    }
  }
}

async function transactOnce<T>(
  pool: Pool,
  work: (transaction: Transaction) => Promise<T>,
): Promise<Committed<T>> {
  const client = await connect(pool);
  const transaction = new Transaction(client);
  let usable = true;
  try {
    transaction.begin();
    const result = await work(transaction);
    await transaction.commit();
    return { result, events: transaction.events };
  } catch (error) {
    usable = !isConnectionLost(error) && (await rolledBack(transaction));
    throw error;
  } finally {
    client.release(!usable);
  }
}

async function connect(pool: Pool): Promise<PoolClient> {
  try {
    return await pool.connect();
  } catch (error) {
    throw toPlatformError(error);
  }
}

/** Whether the connection may be used again. */
async function rolledBack(transaction: Transaction): Promise<boolean> {
  return transaction.rollback().then(
    () => true,
    () => false, // the first error says why; this one follows from it
  );
}
