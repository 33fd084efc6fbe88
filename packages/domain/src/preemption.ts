import type { Job } from "./job.ts";

/**
 * How much higher a priority has to be to take the place of another. So jobs of nearly the same priority do not push each
 * other out.
 * Source: Nomad, which preempts what has a priority lower by 10 or more.
 */
export const PREEMPTION_PRIORITY_MARGIN = 10;

/** Attempts of one job that may be ended for others; after so many it runs to its end, so that it is not starved. */
export const MAX_PREEMPTIONS_PER_JOB = 3;

/** Whether an attempt of the job may be ended for another job: its spec allows that, and it was not too often already. */
export function isPreemptible(
  policy: Pick<Job["policy"], "preemptible">,
  preemptionCount: number,
): boolean {
  return policy.preemptible && preemptionCount < MAX_PREEMPTIONS_PER_JOB;
}

/** Whether a job of `priority` may take the place of one of `otherPriority`. Waiting time does not count. */
export function outranks(priority: number, otherPriority: number): boolean {
  return priority - otherPriority >= PREEMPTION_PRIORITY_MARGIN;
}
