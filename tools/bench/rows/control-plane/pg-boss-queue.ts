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
 * pg-boss with workers that fetch and complete without a pause for as long as there are jobs, and rest otherwise: what
 * they ask a queue that is known to be empty would slow down whom it is compared with. Its own `work` waits two seconds
 * between fetches by default, which would measure that.
 */
export const pgBossQueue =
  ({ connectionString, schema, batchCount }: PgBossOptions): OpenQueue =>
  async (onEnded) => {
    const boss = new PgBoss({ connectionString, schema });
    const failed = Promise.withResolvers<never>();
    boss.on("error", failed.reject);
    await boss.start();
    await boss.createQueue(QUEUE);
    const left = new Left();
    const loop = async (): Promise<void> => {
      while (await left.isSome()) {
        const jobs = await boss.fetch(QUEUE, { batchSize: batchCount });
        if (jobs.length === 0) {
          await delay(EMPTY_PAUSE_MS);
          continue;
        }
        await boss.complete(
          QUEUE,
          jobs.map(({ id }) => id),
        );
        left.add(-jobs.length);
        onEnded(jobs.length);
      }
    };
    const loops = Promise.all(Array.from({ length: LOOP_COUNT }, loop));
    return {
      over: Promise.race([failed.promise, loops]),
      async submit(count) {
        const data = { script: SCRIPT };
        left.add(count);
        await boss.insert(
          QUEUE,
          Array.from({ length: count }, () => ({ data })),
        );
      },
      async close() {
        left.close();
        await loops;
        await boss.stop({ graceful: false });
      },
    };
  };

/** How many jobs have not ended. */
class Left {
  #count = 0;
  #isClosed = false;
  #changed = Promise.withResolvers<void>();

  add(count: number): void {
    this.#count += count;
    this.#tell();
  }

  close(): void {
    this.#isClosed = true;
    this.#tell();
  }

  /** Waits for a job that has not ended. `false`: there will be none. */
  async isSome(): Promise<boolean> {
    while (this.#count === 0 && !this.#isClosed) await this.#changed.promise;
    return !this.#isClosed;
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
