import { monitorEventLoopDelay } from "node:perf_hooks";

/** How often the loop is asked to be on time. */
const RESOLUTION_MS = 10;

/** How late this process's event loop is: what heartbeats and log batches wait for beyond their own work. */
export class EventLoopDelay {
  readonly #monitor = monitorEventLoopDelay({ resolution: RESOLUTION_MS });

  start(): void {
    this.#monitor.enable();
  }

  stop(): void {
    this.#monitor.disable();
  }

  /** 99th percentile in milliseconds since this was last asked; 0 when nothing was measured. */
  takeP99Ms(): number {
    const isMeasured = this.#monitor.count > 0;
    // What is recorded is the time from one turn to the next, the resolution included.
    const p99Ms = isMeasured ? this.#monitor.percentile(99) / 1e6 - RESOLUTION_MS : 0;
    this.#monitor.reset();
    return Math.max(0, p99Ms);
  }
}
