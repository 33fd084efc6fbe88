import { setTimeout as delay } from "node:timers/promises";
import type { HodeiError } from "./errors.ts";

/** Upper bound of the first wait; it doubles with each further one. */
const WAIT_BASE_MS = 100;
/** Upper bound of every wait. */
const WAIT_MAX_MS = 2_000;

/**
 * Milliseconds to wait after try number `tries` has failed: uniform in
 * [0, min(WAIT_MAX_MS, WAIT_BASE_MS * 2^(tries-1))), so that clients that failed together do not come back
 * together. `random` yields numbers in [0, 1).
 * Source: "Exponential Backoff And Jitter" (full jitter), AWS Architecture Blog, 2015.
 */
export function backoffMs(tries: number, random: () => number = Math.random): number {
  return random() * Math.min(WAIT_MAX_MS, WAIT_BASE_MS * 2 ** (tries - 1));
}

/** Waits `ms`, or less if `signal` is aborted; the caller looks at the signal. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return;
  await delay(ms, undefined, signal === undefined ? {} : { signal }).catch(() => {
    // The only way to fail is the signal, which the caller looks at.
  });
}

/**
 * Paces the reconnects of one stream, and gives up when nothing has come over it for `limitMs`.
 * Time is the monotonic clock's, so a changed wall clock does not matter.
 */
export class Reconnects {
  readonly #limitMs: number;
  readonly #signal: AbortSignal | undefined;
  #tries = 0;
  #failingSinceMs: number | undefined;

  constructor(limitMs: number, signal?: AbortSignal) {
    this.#limitMs = limitMs;
    this.#signal = signal;
  }

  /** The stream works: the next failure is a first one. */
  succeeded(): void {
    this.#tries = 0;
    this.#failingSinceMs = undefined;
  }

  /** Waits until the next try is due. @throws `error` if it is not worth another try or the limit is reached. */
  async failed(error: HodeiError): Promise<void> {
    if (error.code !== "unavailable" || this.#signal?.aborted) throw error;
    const nowMs = performance.now();
    this.#failingSinceMs ??= nowMs;
    if (nowMs - this.#failingSinceMs >= this.#limitMs) throw error;
    this.#tries += 1;
    await pause(backoffMs(this.#tries), this.#signal);
    if (this.#signal?.aborted) throw error;
  }
}
