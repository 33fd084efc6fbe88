import { setTimeout as delay } from "node:timers/promises";

const POLL_MS = 5;
const DEFAULT_TIMEOUT_MS = 5_000;

export interface WaitOptions {
  /** Default: 5000. */
  readonly timeoutMs?: number;
  /** What is waited for, for the error's message. */
  readonly what?: string;
}

/**
 * The first value of `probe` that is neither false nor null nor undefined. Waits for a state, not for
 * a change: a state that is there already is found at once.
 * @throws Error after `timeoutMs`; an error of `probe` comes through at once
 */
export async function waitFor<T>(
  probe: () => T | Promise<T>,
  { timeoutMs = DEFAULT_TIMEOUT_MS, what = "the awaited state" }: WaitOptions = {},
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value !== false && value !== null && value !== undefined) {
      return value as Exclude<T, false | null | undefined>;
    }
    if (performance.now() >= deadline) throw new Error(`${what} did not come in ${timeoutMs} ms`);
    await delay(POLL_MS);
  }
}
