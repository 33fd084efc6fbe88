import type { FinishedRun, Violation } from "../finished-run.ts";

/** An attempt number starts on one worker at most, under one lease. */
export function checkOneStart({ history }: FinishedRun): Violation[] {
  const starts = Map.groupBy(history.starts, ({ ref }) => `${ref.jobId} ${ref.attempt}`);
  return [...starts.values()].flatMap((list) => {
    const owners = new Set(list.map(({ workerId, ref }) => `${workerId} ${ref.leaseToken}`));
    const [first] = list;
    if (owners.size === 1 || first === undefined) return [];
    const message = `attempt ${first.ref.attempt} started on ${owners.size} workers or leases`;
    return [{ promise: "one-start", message, subject: first.ref.jobId }];
  });
}
