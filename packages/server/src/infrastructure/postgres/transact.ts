import { setTimeout as delay } from "node:timers/promises";
import type { EventRecord } from "@hodei/domain";
import type { Pool } from "pg";
import { findMissingPartition } from "./missing-partition.ts";
import { createMissingPartition } from "./partitions.ts";
import { isConnectionLost, isTransient } from "./postgres-error.ts";
import { connect, Transaction } from "./sql.ts";

/** Tries of one transaction in all; the last one's error is the caller's. */
const TRIES_MAX = 5;
/** Partitions that are made for one transaction; more fail it, and it goes on from there when it is tried anew. */
const PARTITIONS_MAX = 300;
/** Upper bound of the pause before the second try; doubles with each. */
const RETRY_PAUSE_MS = 10;

export interface Committed<T> {
  readonly result: T;
  readonly events: readonly EventRecord[];
}

/**
 * Runs `work` in one transaction (READ COMMITTED) and commits it, or rolls back if it throws. Tried again are deadlocks and
 * serialization failures, transactions whose connection was lost before they asked for their commit, and what found no
 * partition, once that is made. Not those that never got a connection: the database is away then.
 * @throws PlatformError
 */
export function transact<T>(
  pool: Pool,
  work: (transaction: Transaction) => Promise<T>,
): Promise<Committed<T>> {
  let last: Transaction | undefined;
  const once = () => {
    last = undefined;
    return transactOnce(pool, (transaction) => {
      last = transaction;
      return work(transaction);
    });
  };
  return retry(pool, once, (error) => isTransient(error) || last?.isCutOff === true);
}

/**
 * Tries again after a random pause, so that those who collided do not collide again. A row that found no partition
 * finds one then.
 */
export function retryTransient<T>(pool: Pool, work: () => Promise<T>): Promise<T> {
  return retry(pool, work, isTransient);
}

async function retry<T>(
  pool: Pool,
  work: () => Promise<T>,
  isWorthIt: (error: unknown) => boolean,
): Promise<T> {
  let partitionCount = 0;
  for (let tries = 1; ; ) {
    try {
      return await work();
    } catch (error) {
      const missing = findMissingPartition(error);
      if (missing !== undefined && partitionCount < PARTITIONS_MAX) {
        partitionCount += 1;
        await createMissingPartition(pool, missing);
      } else {
        if (!isWorthIt(error) || tries === TRIES_MAX) throw error;
        await delay(Math.random() * RETRY_PAUSE_MS * 2 ** (tries - 1));
        tries += 1;
      }
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

/** Whether the connection may be used again. */
async function rolledBack(transaction: Transaction): Promise<boolean> {
  return transaction.rollback().then(
    () => true,
    () => false, // the first error says why; this one follows from it
  );
}
