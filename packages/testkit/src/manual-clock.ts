import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock, StopSignal } from "@hodei/domain";

interface Sleeper {
  readonly wakeAtMs: number;
  readonly wake: () => void;
}

/** A clock that stands still until it is told to go on. */
export class ManualClock implements Clock {
  #nowMs: number;
  #sleepers: readonly Sleeper[] = [];

  constructor(start = new Date("2026-01-01T00:00:00.000Z")) {
    this.#nowMs = start.getTime();
  }

  now(): Date {
    return new Date(this.#nowMs);
  }

  sleep(ms: number, signal?: StopSignal): Promise<void> {
    if (signal?.aborted || ms <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const sleeper: Sleeper = { wakeAtMs: this.#nowMs + ms, wake };
      this.#sleepers = [...this.#sleepers, sleeper];
      signal?.addEventListener("abort", wake, { once: true });
    });
  }

  /** How many sleep now. */
  get sleeperCount(): number {
    return this.#sleepers.length;
  }

  /**
   * Lets `ms` pass: wakes who is due, the earliest first, each at its own time, and lets it run until
   * it sleeps again or waits for something real.
   */
  async advance(ms: number): Promise<void> {
    const targetMs = this.#nowMs + ms;
    for (;;) {
      await nextTurn();
      const [next] = this.#sleepers.toSorted((a, b) => a.wakeAtMs - b.wakeAtMs);
      if (next === undefined || next.wakeAtMs > targetMs) break;
      this.#nowMs = next.wakeAtMs;
      next.wake();
    }
    this.#nowMs = targetMs;
  }
}
