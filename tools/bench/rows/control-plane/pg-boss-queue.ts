import { setTimeout as delay } from "node:timers/promises";
import { PgBoss } from "pg-boss";
import { type OpenQueue, SCRIPT } from "./job-queue.ts";

export interface PgBossOptions {
  readonly connectionString: string;
  /** Apart from other queues in the same database. */
  readonly schema: string;
  /** Jobs of one fetch. */
  readonly batchCount: number;
}

const QUEUE = "bench";
/** As many as it has connections by default. */
const LOOP_COUNT = 10;
/** What a loop waits when there was nothing to fetch. */
const EMPTY_PAUSE_MS = 10;

/**
 * pg-boss with workers that fetch and complete without a pause. Its own `work` waits two seconds between fetches by
 * default, which would measure that.
 */
export const pgBossQueue =
  ({ connectionString, schema, batchCount }: PgBossOptions): OpenQueue =>
  async (onEnded) => {
    const boss = new PgBoss({ connectionString, schema });
    const failed = Promise.withResolvers<never>();
    boss.on("error", failed.reject);
    await boss.start();
    await boss.createQueue(QUEUE);
    let isClosing = false;
    const loop = async (): Promise<void> => {
      while (!isClosing) {
        const jobs = await boss.fetch(QUEUE, { batchSize: batchCount });
        if (jobs.length === 0) {
          await delay(EMPTY_PAUSE_MS);
          continue;
        }
        await boss.complete(
          QUEUE,
          jobs.map(({ id }) => id),
        );
        onEnded(jobs.length);
      }
    };
    const loops = Promise.all(Array.from({ length: LOOP_COUNT }, loop));
    return {
      over: Promise.race([failed.promise, loops]),
      async submit(count) {
        const data = { script: SCRIPT };
        await boss.insert(
          QUEUE,
          Array.from({ length: count }, () => ({ data })),
        );
      },
      async close() {
        isClosing = true;
        await loops;
        await boss.stop({ graceful: false });
      },
    };
  };
