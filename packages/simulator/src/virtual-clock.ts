import { type Clock, invariant, type StopSignal } from "@hodei/domain";
import { EventQueue, type Timer } from "./event-queue.ts";

/** Timers that may go off at one instant; more means that something spins without letting time pass. */
const MAX_TIMERS_PER_INSTANT = 100_000;

/**
 * Time that passes only when nothing is left to do. Promises are real, timers are not: before each step of time the run
 * loop gives the event loop one macrotask turn, and the engine empties the microtask queue before that turn. So every
 * promise chain has come to rest on a timer of this clock when the next timer goes off. That holds as long as nothing in
 * the simulation waits for real input, output or time; what does would show as runs that differ.
 */
export class VirtualClock implements Clock {
  readonly #queue = new EventQueue();
  readonly #startMs: number;
  #elapsedMs = 0;
  #sequence = 0;

  constructor(start: Date) {
    this.#startMs = start.getTime();
  }

  /** Virtual milliseconds since the start. */
  get elapsedMs(): number {
    return this.#elapsedMs;
  }

  now(): Date {
    return new Date(this.#startMs + this.#elapsedMs);
  }

  /** Always yields to timers that were set before it, for 0 ms too. */
  sleep(ms: number, signal?: StopSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = () => {
        cancel();
        signal?.removeEventListener("abort", finish);
        resolve();
      };
      const cancel = this.schedule(ms, finish);
      signal?.addEventListener("abort", finish, { once: true });
    });
  }

  /** Calls `action` after `ms`, unless the returned function is called before. */
  schedule(ms: number, action: () => void): () => void {
    const atMs = this.#elapsedMs + Math.max(0, ms);
    const timer: Timer = { atMs, sequence: this.#sequence, action };
    this.#sequence += 1;
    this.#queue.push(timer);
    return () => {
      timer.action = undefined;
    };
  }

  /**
   * Lets time pass up to `untilMs` after the start, or until `isDone`, or until nothing more would happen. Resolves when
   * all that was set off has come to rest.
   */
  async run(untilMs: number, isDone: () => boolean): Promise<void> {
    let timersAtInstant = 0;
    for (;;) {
      await turn();
      if (isDone()) return;
      const timer = this.#queue.pop();
      if (timer === undefined) return;
      if (timer.atMs > untilMs) {
        this.#queue.push(timer);
        this.#elapsedMs = Math.max(this.#elapsedMs, untilMs);
        return;
      }
      timersAtInstant = timer.atMs === this.#elapsedMs ? timersAtInstant + 1 : 0;
      invariant(timersAtInstant < MAX_TIMERS_PER_INSTANT, "virtual time goes on");
      this.#elapsedMs = timer.atMs;
      timer.action?.();
    }
  }
}

const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });
