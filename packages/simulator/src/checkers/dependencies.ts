import { type JobId, type JobState, judgeDependency, type StoredEvent } from "@hodei/domain";
import type { FinishedRun, Violation } from "../finished-run.ts";
import { isJobEnd } from "../job-ends.ts";

/** No job is given to a worker before the jobs that it waits for have ended as they were to. */
export function checkDependencies({ events, history }: FinishedRun): Violation[] {
  const afterOf = new Map(history.answers.map(({ jobId, after }) => [jobId, after]));
  const ends = new Map<JobId, JobState>();
  return events.flatMap(({ type, subjectId }: StoredEvent) => {
    const jobId = subjectId as JobId;
    if (isJobEnd(type)) ends.set(jobId, type.slice("job.".length) as JobState);
    if (type !== "job.assigned") return [];
    return (afterOf.get(jobId) ?? []).flatMap((dependency) => {
      const afterState = ends.get(dependency.jobId) ?? "pending";
      if (judgeDependency({ ...dependency, afterState }) === "holds") return [];
      const message = `it was to wait for job ${dependency.jobId} (${dependency.condition}), which was ${afterState}`;
      return [{ promise: "dependencies", message, subject: jobId }];
    });
  });
}
