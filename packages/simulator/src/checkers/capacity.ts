import {
  type Capacity,
  type Job,
  type JobId,
  type Requirements,
  type StoredEvent,
  subtract,
  type WorkerId,
} from "@hodei/domain";
import type { FinishedRun, Violation } from "../finished-run.ts";
import { isJobEnd } from "../job-ends.ts";

/** Events, besides the end, after which a job holds nothing of a worker any more. */
const RETURNING = ["job.lease_expired", "job.retry_scheduled", "job.preempted"];

/** At no moment do the attempts given to a worker need more than it has. */
export function checkCapacity({ events, jobs, workers }: FinishedRun): Violation[] {
  const capacities = new Map(workers.map(({ id, facts }) => [id, facts?.capacity]));
  const holders = new Map<JobId, WorkerId>();
  return events.flatMap(({ type, subjectId, data, version }: StoredEvent) => {
    const jobId = subjectId as JobId;
    if (isJobEnd(type) || RETURNING.includes(type)) holders.delete(jobId);
    if (type !== "job.assigned") return [];
    const workerId = data.workerId as WorkerId;
    holders.set(jobId, workerId);
    const held = [...holders].filter(([, holder]) => holder === workerId);
    const capacity = capacities.get(workerId);
    if (capacity !== undefined && fits(capacity, held, jobs)) return [];
    const message = `version ${version} was placed on ${workerId}, which then held ${held.length} jobs: too many`;
    return [{ promise: "capacity", message, subject: jobId }];
  });
}

function fits(
  capacity: Capacity,
  held: readonly (readonly [JobId, WorkerId])[],
  jobs: ReadonlyMap<JobId, Job>,
): boolean {
  const requirements: Requirements[] = held.flatMap(([jobId]) => {
    const job = jobs.get(jobId);
    return job === undefined ? [] : [job.policy.requirements];
  });
  const free = requirements.reduce(subtract, capacity);
  return Object.values(free).every((amount) => amount >= 0);
}
