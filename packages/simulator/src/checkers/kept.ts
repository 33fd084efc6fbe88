import { isTerminal } from "@hodei/domain";
import type { FinishedRun, Violation } from "../finished-run.ts";

/** A job whose `CreateJob` was answered is there, and has ended once faults have stopped for long enough. */
export function checkKept({ history, jobs }: FinishedRun): Violation[] {
  return history.answers.flatMap(({ jobId, request }) => {
    const job = jobs.get(jobId);
    if (job !== undefined && isTerminal(job.state)) return [];
    const message =
      job === undefined
        ? `${request} was answered with a job that is not stored`
        : `${request} is still ${job.state} long after the last fault`;
    return [{ promise: "kept", message, subject: jobId }];
  });
}
