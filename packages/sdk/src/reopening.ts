import { abortsWith } from "./aborts-with.ts";
import { Reconnects } from "./backoff.ts";
import { toHodeiError } from "./errors.ts";

/** How long a broken stream is reopened without success before its caller hears of it. */
export const RECONNECT_LIMIT_MS = 60_000;

export interface StreamOptions {
  /** Ends the stream; it then fails with `cancelled`. The job goes on. */
  readonly signal?: AbortSignal;
  /** How long to try to get back to a server that is gone, in milliseconds. Default: 60,000. */
  readonly reconnectLimitMs?: number;
}

/**
 * The messages of `open`, which is called again, after a wait, whenever it fails because the server is unavailable.
 * What it opens must end with the signal it is given.
 * @throws HodeiError `unavailable` once no message has come for the limit; any other failure at once.
 */
export async function* reopening<Message>(
  open: (signal: AbortSignal) => AsyncIterable<Message>,
  options: StreamOptions,
): AsyncGenerator<Message> {
  // The iterables of Connect have no `return`: only a signal ends a stream that is left early.
  const stop = abortsWith(options.signal);
  const reconnects = new Reconnects(options.reconnectLimitMs ?? RECONNECT_LIMIT_MS, stop.signal);
  try {
    for (;;) {
      try {
        for await (const message of open(stop.signal)) {
          reconnects.succeeded();
          yield message;
        }
        return;
      } catch (error) {
        await reconnects.failed(toHodeiError(error, options.signal));
      }
    }
  } finally {
    stop.abort();
  }
}
