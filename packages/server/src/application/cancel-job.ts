import {
  applyJobEvent,
  type Cause,
  isTerminal,
  type Job,
  type JobEvent,
  type JobId,
  outcomeOf,
  requestCause,
} from "@hodei/domain";
import type { Deps } from "./deps.ts";
import { type Caller, ownedBy } from "./principal.ts";

/**
 * Ends a waiting job, and asks for the end of one that a worker has; its end is the worker's to report. A finished job,
 * or one whose cancel was asked for, comes back unchanged, so repeats are safe. @throws PlatformError `not_found`
 */
export async function cancelJob(
  deps: Pick<Deps, "database" | "clock">,
  caller: Caller,
  id: JobId,
): Promise<Job> {
  ownedBy(caller, "job", await deps.database.readers.jobs.find(id), id);
  return deps.database.transact(async ({ jobs }) => {
    const job = await jobs.lock(id);
    if (isTerminal(job.state) || job.cancelRequest !== null) return job;
    const { name: by, requestId } = caller;
    const event = cancelEvent(job, deps.clock.now(), { by, causedBy: requestCause(requestId) });
    return jobs.update(applyJobEvent(job, event), [event]);
  });
}

/** What a cancel by `by` does to a job that has not ended. */
export function cancelEvent(
  job: Job,
  at: Date,
  { by, causedBy }: { readonly by: string; readonly causedBy: Cause },
): JobEvent {
  if (job.state !== "pending") return { type: "cancel_requested", at, by, causedBy };
  const outcome = outcomeOf("cancelled_by", `cancelled by ${by}`);
  return { type: "cancelled", at, outcome, causedBy };
}
