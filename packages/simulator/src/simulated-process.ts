import type { VirtualClock } from "./virtual-clock.ts";

/**
 * A process of a simulated machine. While it is stopped, what it would do waits, in order; once it has ended, nothing of
 * it happens any more.
 */
export class SimulatedProcess {
  readonly #clock: VirtualClock;
  #isEnded = false;
  /** `undefined` while it is not stopped. */
  #waiting: (() => void)[] | undefined;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  get isStopped(): boolean {
    return this.#waiting !== undefined;
  }

  /** Does `action` now, or when it goes on. */
  act(action: () => void): void {
    if (this.#isEnded) return;
    if (this.#waiting === undefined) action();
    else this.#waiting.push(action);
  }

  /** Does `action` in `ms`. */
  later(ms: number, action: () => void): void {
    this.#clock.schedule(ms, () => this.act(action));
  }

  /** Stops it for `ms`, as SIGSTOP does. One that is stopped stays so for as long as it was to be. */
  stop(ms: number): void {
    if (this.isStopped) return;
    this.#waiting = [];
    this.#clock.schedule(ms, () => {
      const waiting = this.#waiting ?? [];
      this.#waiting = undefined;
      for (const action of waiting) this.act(action);
    });
  }

  end(): void {
    this.#isEnded = true;
  }
}
