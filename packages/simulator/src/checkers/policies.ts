import { type Job, type JobId, queueDeadline, type StoredEvent } from "@hodei/domain";
import type { FinishedRun, Violation } from "../finished-run.ts";
import { isJobEnd } from "../job-ends.ts";

/** Retries, cancels and queue time-outs are as the spec and the client asked. */
export function checkPolicies({ events, jobs, history }: FinishedRun): Violation[] {
  const byJob = Map.groupBy(events, ({ subjectId }) => subjectId as JobId);
  const cancelled = new Set(history.cancelAnswers.map(({ jobId }) => jobId));
  return [...jobs.values()].flatMap((job) => {
    const own = byJob.get(job.id) ?? [];
    const messages = [
      ...checkRetries(job, own),
      ...checkCancel(own, cancelled.has(job.id)),
      ...checkQueueTimeout(job),
    ];
    return messages.map((message) => ({ promise: "policies", message, subject: job.id }));
  });
}

function checkRetries({ policy }: Job, events: readonly StoredEvent[]): string[] {
  const count = (type: string) => events.filter((event) => event.type === type).length;
  const tries = count("job.started") - count("job.preempted");
  const { maxAttempts } = policy.retryPolicy;
  return tries > maxAttempts ? [`was tried ${tries} times, may be ${maxAttempts} times`] : [];
}

/** A cancel that was taken ends the job, or is asked of its worker; either way nothing is started after it. */
function checkCancel(events: readonly StoredEvent[], isAnswered: boolean): string[] {
  const request = events.findIndex(({ type }) => type === "job.cancel_requested");
  if (request === -1) {
    const isOver = events.some(({ type }) => isJobEnd(type));
    return isAnswered && !isOver ? ["its cancel was answered and is not stored"] : [];
  }
  const later = events.slice(request).some(({ type }) => type === "job.assigned");
  return later ? ["was assigned after its cancel"] : [];
}

function checkQueueTimeout(job: Job): string[] {
  if (job.outcome?.reason !== "queue_timeout") return [];
  const deadline = queueDeadline(job);
  const isDue = deadline !== null && job.finishedAt !== null && job.finishedAt >= deadline;
  return isDue ? [] : ["ended by a queue time-out that had not come"];
}
