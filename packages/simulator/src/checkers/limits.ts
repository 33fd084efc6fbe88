import type { Job, JobId, StoredEvent } from "@hodei/domain";
import type { FinishedRun, Violation } from "../finished-run.ts";
import { isJobEnd } from "../job-ends.ts";

/** Events, besides the end, after which a job has its place no more. */
const RETURNING = ["job.lease_expired", "job.retry_scheduled", "job.preempted"];

/** At no moment do more jobs of one concurrency key hold a place than the job that took the last one allows. */
export function checkLimits({ events, jobs }: FinishedRun): Violation[] {
  const holders = new Set<JobId>();
  return events.flatMap(({ type, subjectId }: StoredEvent) => {
    const jobId = subjectId as JobId;
    if (isJobEnd(type) || RETURNING.includes(type)) holders.delete(jobId);
    const concurrency = jobs.get(jobId)?.policy.concurrency;
    if (type !== "job.assigned" || !concurrency) return [];
    holders.add(jobId);
    const { key, limit } = concurrency;
    const count = [...holders].filter((id) => keyOf(jobs.get(id)) === key).length;
    if (count <= limit) return [];
    const message = `key ${key} was held by ${count} jobs then, of ${limit}`;
    return [{ promise: "limits", message, subject: jobId }];
  });
}

const keyOf = (job: Job | undefined): string | undefined => job?.policy.concurrency?.key;
