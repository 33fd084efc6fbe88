import { setTimeout as delay } from "node:timers/promises";
import { HodeiError } from "@hodei/sdk";

const PAUSE_MS = 200;

/**
 * Repeats `call` while nobody can answer it, as a client does that will not give up. `call` must be safe to repeat.
 * @throws whatever else goes wrong, and the reason of `signal`
 */
export async function patiently<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await call();
    } catch (error) {
      if (!isPassing(error)) throw error;
    }
    await delay(PAUSE_MS, undefined, { signal });
  }
}

/** What a fault in the surroundings looks like to a client. */
export function isPassing(error: unknown): boolean {
  return error instanceof HodeiError && ["unavailable", "deadline_exceeded"].includes(error.code);
}
