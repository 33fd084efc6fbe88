import { setTimeout as delay } from "node:timers/promises";
import { Logger, makeWorkerUtils, run } from "graphile-worker";
import { type OpenQueue, SCRIPT } from "./job-queue.ts";

export interface GraphileOptions {
  readonly connectionString: string;
  /** Apart from other queues in the same database. */
  readonly schema: string;
  /** What differs from its defaults. */
  readonly settings: GraphileConfig.WorkerOptions;
}

const TASK = "bench";
const silent = new Logger(() => () => {});

/** How often to look whether the last rows are gone. */
const LOOK_INTERVAL_MS = 2;

/**
 * graphile-worker in this process. It says that a job is complete when it has asked for the row to be deleted; here jobs
 * have ended when no row is left.
 */
export const graphileQueue =
  ({ connectionString, schema, settings }: GraphileOptions): OpenQueue =>
  async (onEnded) => {
    const preset = { worker: { connectionString, schema, logger: silent, ...settings } };
    const taskList = { [TASK]: () => {} };
    const runner = await run({ preset, taskList, noHandleSignals: true });
    const producer = await makeWorkerUtils({ preset });
    const isEmpty = () =>
      producer.withPgClient(async (client) => {
        const { rowCount } = await client.query(`select from ${schema}.jobs limit 1`);
        return rowCount === 0;
      });
    const gone = new UntilEmpty(isEmpty, onEnded);
    runner.events.on("job:complete", () => gone.count());
    return {
      over: Promise.race([runner.promise, gone.failed]),
      async submit(count) {
        const payload = { script: SCRIPT };
        gone.expect(count);
        await producer.addJobs(
          Array.from({ length: count }, () => ({ identifier: TASK, payload })),
        );
      },
      async close() {
        await producer.release();
        await runner.stop();
      },
    };
  };

/** Tells of jobs when all that were expected are complete and the table is empty. */
class UntilEmpty {
  readonly failed: Promise<never>;
  readonly #fail: (error: unknown) => void;
  readonly #isEmpty: () => Promise<boolean>;
  readonly #onEnded: (count: number) => void;
  #expectedCount = 0;
  #completeCount = 0;

  constructor(isEmpty: () => Promise<boolean>, onEnded: (count: number) => void) {
    const { promise, reject } = Promise.withResolvers<never>();
    this.failed = promise;
    this.#fail = reject;
    this.#isEmpty = isEmpty;
    this.#onEnded = onEnded;
  }

  expect(count: number): void {
    this.#expectedCount += count;
  }

  count(): void {
    this.#completeCount += 1;
    if (this.#completeCount < this.#expectedCount) return;
    this.#settle(this.#completeCount).catch(this.#fail);
    this.#expectedCount = 0;
    this.#completeCount = 0;
  }

  async #settle(count: number): Promise<void> {
    while (!(await this.#isEmpty())) await delay(LOOK_INTERVAL_MS);
    this.#onEnded(count);
  }
}
