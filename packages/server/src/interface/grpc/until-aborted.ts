import type { Interceptor } from "@connectrpc/connect";

/**
 * The items of `source` until `signal` aborts; fails then with the signal's reason, even while `source` waits for its
 * next item. `leave` gets the promise that `source` has come to its end after it was left early.
 */
export async function* untilAborted<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal,
  leave: (ending: Promise<unknown>) => void = () => undefined,
): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  let stopWaiting: (reason: unknown) => void = () => undefined;
  const onAbort = () => stopWaiting(signal.reason);
  signal.addEventListener("abort", onAbort);
  let ended = false;
  try {
    while (true) {
      // One promise per wait: racing a long-lived one would keep every wait in memory.
      const { promise, resolve, reject } = Promise.withResolvers<IteratorResult<T>>();
      stopWaiting = reject;
      signal.throwIfAborted();
      iterator.next().then(resolve, reject);
      const next = await promise;
      if (next.done === true) {
        ended = true;
        return;
      }
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    // Not awaited: a source that waits ends only after its wait. What it says then has nobody left to hear it.
    if (!ended) leave(Promise.resolve(iterator.return?.()).catch(() => undefined));
  }
}

/** Handlers of streams that were left early and have not come to their end yet. */
export type Unfinished = Set<Promise<unknown>>;

/**
 * Ends streams as soon as the caller is gone or the listener stops: a handler that waits for requests, or for something
 * to answer, would not notice. What it still does after that is in `unfinished`. Calls with one answer are left to finish.
 */
export function endAbortedStreams(unfinished: Unfinished): Interceptor {
  const leave = (ending: Promise<unknown>) => {
    unfinished.add(ending);
    void ending.finally(() => unfinished.delete(ending));
  };
  return (next) => async (request) => {
    if (!request.stream) return next(request);
    const { signal } = request;
    const response = await next({ ...request, message: untilAborted(request.message, signal) });
    return response.stream
      ? { ...response, message: untilAborted(response.message, signal, leave) }
      : response;
  };
}
