import type { Clock, StopSignal } from "@hodei/domain";

/** The machine's clock and timers. A sleeper keeps the process alive. */
export const systemClock: Clock = {
  now: () => new Date(),
  sleep: (ms: number, signal?: StopSignal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const finish = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", finish);
        resolve();
      };
      const timer = setTimeout(finish, ms);
      signal?.addEventListener("abort", finish, { once: true });
    }),
};
