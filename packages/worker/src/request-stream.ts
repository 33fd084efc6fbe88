import type { SessionRequest } from "@hodei/proto/hodei/v1/worker_service";
import type { WorkerClock } from "./clock.ts";

/** Says what to send, when asked. */
export interface RequestSource {
  /** `undefined`: nothing now. */
  nextRequest(): SessionRequest | undefined;
  /** Earliest instant (monotonic ms) at which that may change by itself; `Infinity`: after a `wake` only. */
  dueAtMs(): number;
}

/**
 * The requests of one session, made one by one as the connection takes them. Nothing is queued: when the network is slow
 * the source is asked less often.
 */
export class RequestStream implements AsyncIterableIterator<SessionRequest> {
  readonly #clock: WorkerClock;
  readonly #source: RequestSource;
  /** End when the source has nothing to say. */
  #isFinishing = false;
  /** The call is over. */
  #isOver = false;
  #wake = (): void => {};

  constructor(clock: WorkerClock, source: RequestSource) {
    this.#clock = clock;
    this.#source = source;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<SessionRequest, undefined>> {
    while (!this.#isOver) {
      const value = this.#source.nextRequest();
      if (value !== undefined) return { value, done: false };
      if (this.#isFinishing) break;
      await this.#change();
    }
    return { value: undefined, done: true };
  }

  /** The source may have something to say. */
  wake(): void {
    this.#wake();
  }

  /** Ends the requests as soon as the source has nothing to say. Repeats are safe. */
  finish(): void {
    this.#isFinishing = true;
    this.#wake();
  }

  /** Called by the transport when the call ends. */
  async return(): Promise<IteratorResult<SessionRequest, undefined>> {
    this.#isOver = true;
    this.#wake();
    return { value: undefined, done: true };
  }

  /** Called by the transport when the call fails; who reads the responses hears of that. */
  throw(): Promise<IteratorResult<SessionRequest, undefined>> {
    return this.return();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      const delayMs = this.#source.dueAtMs() - this.#clock.monotonicMs();
      const cancel = Number.isFinite(delayMs)
        ? this.#clock.startTimer(delayMs, () => this.#wake())
        : undefined;
      this.#wake = () => {
        cancel?.();
        this.#wake = () => {};
        resolve();
      };
    });
  }
}
