import type { Transport } from "@connectrpc/connect";
import { toHodeiError } from "./errors.ts";

/** Time-out of a unary call that brings none of its own. */
const TIMEOUT_DEFAULT_MS = 30_000;

/** The same transport, with a time-out on every unary call and every failure as a `HodeiError`. */
export function withCallPolicy(inner: Transport, timeoutDefaultMs = TIMEOUT_DEFAULT_MS): Transport {
  return {
    async unary(method, signal, timeoutMs, header, input, contextValues) {
      try {
        const limitMs = timeoutMs ?? timeoutDefaultMs;
        return await inner.unary(method, signal, limitMs, header, input, contextValues);
      } catch (error) {
        throw toHodeiError(error, signal);
      }
    },
    async stream(method, signal, timeoutMs, header, input, contextValues) {
      try {
        const call = inner.stream(method, signal, timeoutMs, header, input, contextValues);
        const response = await call;
        return { ...response, message: translateFailures(response.message, signal) };
      } catch (error) {
        throw toHodeiError(error, signal);
      }
    },
  };
}

/** A stream fails while it is read, long after the call returned. */
async function* translateFailures<T>(
  messages: AsyncIterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    throw toHodeiError(error, signal);
  }
}
