/**
 * Aborts with `signal`, for its reason, or after `limitMs`, which keep the process alive no longer than its other work.
 * `AbortSignal.any` will not do: in Node.js 24.16 and others it forgets an abort that nobody listened for.
 */
export function timeLimit(signal: AbortSignal, limitMs: number): AbortSignal {
  const limit = new AbortController();
  const stop = () => limit.abort(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true, signal: limit.signal });
  const late = () => limit.abort(new DOMException(`not done within ${limitMs} ms`, "TimeoutError"));
  setTimeout(late, limitMs).unref();
  return limit.signal;
}
