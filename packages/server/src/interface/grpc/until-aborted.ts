import type { Interceptor } from "@connectrpc/connect";

/**
 * The items of `source` until `signal` aborts; fails then with the signal's reason, even while `source` waits for its
 * next item. `leave` gets the end of a `source` that was left early, which may fail.
 */
export async function* untilAborted<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal,
  leave: (ending: Promise<unknown>) => void = (ending) => void ending.catch(() => undefined),
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
    if (!ended) leave(Promise.resolve(iterator.return?.()));
  }
}

/** What handlers still do, for a listener that stops: it is over when they are. */
export type Unfinished = Set<Promise<unknown>>;

/**
 * Ends streams as soon as the caller is gone or the listener stops: a handler that waits for requests, or for something
 * to answer, would not notice. Calls with one answer are left to finish. Both stay in `unfinished` until their handlers
 * have come to an end.
 */
export function endAbortedStreams(unfinished: Unfinished): Interceptor {
  const track = (ending: Promise<unknown>) => {
    const ended = ending.catch(() => undefined).finally(() => unfinished.delete(ended));
    unfinished.add(ended);
  };
  return (next) => async (request) => {
    if (!request.stream) {
      const answer = next(request);
      track(answer);
      return answer;
    }
    const { signal } = request;
    const response = await next({ ...request, message: untilAborted(request.message, signal) });
    return response.stream
      ? { ...response, message: untilAborted(response.message, signal, track) }
      : response;
  };
}
