import type { JobId } from "../ids.ts";

/**
 * Waiting time that is worth one point of priority: a job that has waited for a minute longer goes first although it has
 * one point less. So a job of the lowest priority (-100) is overtaken by newer ones of the highest (100) for 200 minutes
 * at most, and nothing starves.
 */
export const PRIORITY_STEP_MS = 60_000;

/**
 * The instant a job would have begun to wait at, were its priority waiting time: the smaller, the more urgent. It never
 * changes, as all jobs age alike, so the order of waiting jobs is that of an index.
 */
export function urgentSince(dueAt: Date, priority: number): Date {
  return new Date(dueAt.getTime() - priority * PRIORITY_STEP_MS);
}

/** When the job was first due. */
export function dueSince(job: { readonly urgentSince: Date; readonly priority: number }): Date {
  return new Date(job.urgentSince.getTime() + job.priority * PRIORITY_STEP_MS);
}

/** Where a job stands in the order of urgency. */
export interface DuePosition {
  readonly urgentSince: Date;
  readonly jobId: JobId;
}

/** Most urgent first; ids decide between equals, so that the order is the same everywhere. */
export function byUrgency(a: DuePosition, b: DuePosition): number {
  return a.urgentSince.getTime() - b.urgentSince.getTime() || (a.jobId < b.jobId ? -1 : 1);
}
