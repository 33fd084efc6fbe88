/**
 * A controller that aborts with `parent`, for its reason. The caller aborts it when its work is over, which unties the
 * two. `AbortSignal.any` will not do: in Node.js 24.16 and others it forgets an abort that nobody listened for.
 */
export function abortsWith(parent: AbortSignal | undefined): AbortController {
  const controller = new AbortController();
  if (parent === undefined) return controller;
  if (parent.aborted) controller.abort(parent.reason);
  parent.addEventListener("abort", () => controller.abort(parent.reason), {
    once: true,
    signal: controller.signal,
  });
  return controller;
}
