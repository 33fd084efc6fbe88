/** Something that takes jobs, hands them to workers and keeps count of those that have ended. */
export interface JobQueue {
  /** Stores jobs that do nothing. */
  submit(count: number): Promise<void>;
  /** Settles when no more jobs end: it was closed, or rejects with what broke. */
  readonly over: Promise<unknown>;
  /** Ends what it runs. */
  close(): Promise<void>;
}

/** Opens a queue whose workers answer at once; `onEnded` hears of jobs whose end is stored. */
export type OpenQueue = (onEnded: (count: number) => void) => Promise<JobQueue>;

/** What every job carries, in every queue. */
export const SCRIPT = "echo done\n";

/** Jobs of one call that submits, and such calls under way at once: the same for every queue. */
const BATCH_COUNT = 1_000;
const BATCHES_AT_ONCE = 2;

/** A queue and what has ended in it. */
export class MeasuredQueue {
  readonly #queue: JobQueue;
  readonly #ended: Ended;

  private constructor(queue: JobQueue, ended: Ended) {
    this.#queue = queue;
    this.#ended = ended;
    // Who runs jobs hears of it.
    queue.over.catch(() => {});
  }

  static async open(openQueue: OpenQueue): Promise<MeasuredQueue> {
    const ended = new Ended();
    return new MeasuredQueue(await openQueue((count) => ended.add(count)), ended);
  }

  /** Jobs per second, from the first call that submits to the end of the last of `count` jobs. */
  async run(count: number): Promise<number> {
    const ended = this.#ended.reach(count);
    const startedAtMs = performance.now();
    let leftCount = count;
    const submitAll = async (): Promise<void> => {
      while (leftCount > 0) {
        const batchCount = Math.min(leftCount, BATCH_COUNT);
        leftCount -= batchCount;
        await this.#queue.submit(batchCount);
      }
    };
    const over = this.#queue.over.then(() => Promise.reject(new Error("the queue was closed")));
    const submitting = Array.from({ length: BATCHES_AT_ONCE }, submitAll);
    await Promise.race([over, Promise.all([ended, ...submitting])]);
    return (count * 1_000) / (performance.now() - startedAtMs);
  }

  close(): Promise<void> {
    return this.#queue.close();
  }
}

class Ended {
  #leftCount = 0;
  #resolve = (): void => {};

  /** Resolves when this many more have ended. */
  reach(count: number): Promise<void> {
    this.#leftCount = count;
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  add(count: number): void {
    this.#leftCount -= count;
    if (this.#leftCount < 0) throw new RangeError("a job has ended that was not submitted");
    if (this.#leftCount === 0) this.#resolve();
  }
}
