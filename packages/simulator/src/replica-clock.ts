import type { Clock, StopSignal } from "@hodei/domain";
import type { VirtualClock } from "./virtual-clock.ts";

/** One replica's clock: may be wrong, and stops with it. */
export class ReplicaClock implements Clock {
  readonly #clock: VirtualClock;
  #skewMs = 0;
  #isStopped = false;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  now(): Date {
    return new Date(this.#clock.now().getTime() + this.#skewMs);
  }

  /** Never resolves once the clock has stopped. */
  async sleep(ms: number, signal?: StopSignal): Promise<void> {
    await this.#clock.sleep(ms, signal);
    if (this.#isStopped) await new Promise(() => {});
  }

  jump(ms: number): void {
    this.#skewMs += ms;
  }

  stop(): void {
    this.#isStopped = true;
  }
}
