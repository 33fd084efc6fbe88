import { PlatformError } from "@hodei/domain";
import { databaseBusy, isConnectionLost } from "./postgres-error.ts";

export interface GroupCommitOptions<Input, Output> {
  /** What waits, for error messages. */
  readonly what: string;
  /** Flushes under way at once; while they run, calls gather and share the next one. */
  readonly flushesInFlightMax: number;
  /** Size of all inputs that wait for a flush; a call beyond it is refused with `resource_exhausted`. */
  readonly waitingSizeMax: number;
  /** A call that has not been flushed after this fails as `unavailable`; nothing of it is stored. */
  readonly waitMaxMs: number;
  readonly sizeOf: (input: Input) => number;
  /** Whether inputs may share a flush. One alone always may. */
  readonly fit: (inputs: readonly Input[]) => boolean;
  /** Stores all inputs or none; results in their order. */
  readonly store: (inputs: readonly Input[]) => Promise<readonly Output[]>;
}

interface Call<Input, Output> {
  readonly input: Input;
  /** On the clock of `performance.now`. */
  readonly submittedAtMs: number;
  readonly resolve: (output: Output) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Lets calls that come together share a commit. The first goes at once, so an idle system waits for nobody. When a flush
 * fails its inputs are stored one by one, so that a bad one fails alone.
 */
export class GroupCommit<Input, Output> {
  readonly #options: GroupCommitOptions<Input, Output>;
  readonly #inFlight = new Set<Promise<void>>();
  readonly #waiting: Call<Input, Output>[] = [];
  #waitingSize = 0;
  /** Runs while calls wait. */
  #timer: NodeJS.Timeout | undefined;

  constructor(options: GroupCommitOptions<Input, Output>) {
    this.#options = options;
  }

  /** Resolves after the commit. @throws PlatformError */
  submit(input: Input): Promise<Output> {
    const { what, sizeOf, waitingSizeMax } = this.#options;
    const size = sizeOf(input);
    if (this.#waiting.length > 0 && this.#waitingSize + size > waitingSizeMax) {
      const message = `too many ${what} wait to be stored; try again later`;
      return Promise.reject(new PlatformError("resource_exhausted", "queue_full", message));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ input, submittedAtMs: performance.now(), resolve, reject });
      this.#waitingSize += size;
      this.#flush();
      this.#watchOldest();
    });
  }

  /** Resolves when nothing waits or is under way. */
  async idle(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight);
  }

  #flush(): void {
    while (this.#waiting.length > 0 && this.#inFlight.size < this.#options.flushesInFlightMax) {
      const flush = this.#store(this.#take()).finally(() => {
        this.#inFlight.delete(flush);
        this.#flush();
      });
      this.#inFlight.add(flush);
    }
  }

  /** Refuses what has waited for too long: when flushes are slow or fail one after another, nobody waits for ever. */
  #watchOldest(): void {
    const [oldest] = this.#waiting;
    if (oldest === undefined || this.#timer !== undefined) return;
    const { what, sizeOf, waitMaxMs } = this.#options;
    const dueInMs = oldest.submittedAtMs + waitMaxMs - performance.now();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const latest = performance.now() - waitMaxMs;
      const next = this.#waiting.findIndex(({ submittedAtMs }) => submittedAtMs > latest);
      for (const call of this.#waiting.splice(0, next < 0 ? this.#waiting.length : next)) {
        this.#waitingSize -= sizeOf(call.input);
        call.reject(databaseBusy(`${what} cannot be stored as fast as they come`));
      }
      this.#watchOldest();
    }, dueInMs).unref(); // the flush that is waited for keeps the process alive
  }

  /** The first waiting call, and those right after it that fit with it. */
  #take(): readonly Call<Input, Output>[] {
    const { fit, sizeOf } = this.#options;
    const inputs: Input[] = [];
    for (const { input } of this.#waiting) {
      if (inputs.length > 0 && !fit([...inputs, input])) break;
      inputs.push(input);
      this.#waitingSize -= sizeOf(input);
    }
    return this.#waiting.splice(0, inputs.length);
  }

  /** Never rejects: each call is told by itself. */
  async #store(calls: readonly Call<Input, Output>[]): Promise<void> {
    let outputs: readonly Output[];
    try {
      outputs = await this.#options.store(calls.map(({ input }) => input));
    } catch (error) {
      // What was sent when a connection broke may have been committed: only the caller knows whether to try again.
      if (calls.length === 1 || isConnectionLost(error))
        for (const call of calls) call.reject(error);
      else for (const call of calls) await this.#storeAlone(call);
      return;
    }
    for (const [index, output] of outputs.entries()) calls[index]?.resolve(output);
  }

  /** After a failed flush. It waits for those before it, each of which may take as long as that flush. */
  async #storeAlone(call: Call<Input, Output>): Promise<void> {
    const { what, waitMaxMs } = this.#options;
    if (performance.now() - call.submittedAtMs <= waitMaxMs) await this.#store([call]);
    else call.reject(databaseBusy(`${what} cannot be stored as fast as they come`));
  }
}
