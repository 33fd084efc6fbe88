import {
  applyJobEvent,
  isTerminal,
  type Job,
  type JobEvent,
  type JobId,
  outcomeOf,
} from "@hodei/domain";
import type { Deps } from "./deps.ts";
import { ownedBy, type Principal } from "./principal.ts";

/**
 * Ends a waiting job, and asks for the end of one that a worker has; its end is the worker's to report. A finished job,
 * or one whose cancel was asked for, comes back unchanged, so repeats are safe. @throws PlatformError `not_found`
 */
export async function cancelJob(
  deps: Pick<Deps, "database" | "clock">,
  principal: Principal,
  id: JobId,
): Promise<Job> {
  ownedBy(principal, "job", await deps.database.readers.jobs.find(id), id);
  return deps.database.transact(async ({ jobs }) => {
    const job = await jobs.lock(id);
    if (isTerminal(job.state) || job.cancelRequest !== null) return job;
    const event = cancelEvent(job, deps.clock.now(), principal.name);
    return jobs.update(applyJobEvent(job, event), [event]);
  });
}

function cancelEvent(job: Job, at: Date, by: string): JobEvent {
  if (job.state !== "pending") return { type: "cancel_requested", at, by };
  return { type: "cancelled", at, outcome: outcomeOf("cancelled_by", `cancelled by ${by}`) };
}
