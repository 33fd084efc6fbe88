import { type Job, JobState } from "@hodei/proto/hodei/v1/job";
import type { WatchJobResponse } from "@hodei/proto/hodei/v1/job_service";
import type { HodeiClient } from "./client.ts";
import { HodeiError } from "./errors.ts";
import { reopening, type StreamOptions } from "./reopening.ts";

/** Whether a job in `state` has ended for good. */
export function isFinal(state: JobState): boolean {
  return (
    state === JobState.SUCCEEDED ||
    state === JobState.FAILED ||
    state === JobState.CANCELLED ||
    state === JobState.TIMED_OUT
  );
}

/**
 * The job as it stands, then after each change, to its end. Outlives broken connections; a change that happened
 * meanwhile shows in the next job, and no version comes twice.
 * @throws HodeiError `not_found`; `unavailable` once the server has been gone for the limit; `cancelled`.
 */
export async function* watchJob(
  client: Pick<HodeiClient, "jobs">,
  jobId: string,
  options: StreamOptions = {},
): AsyncGenerator<Job> {
  let version = -1n;
  for await (const { job } of reopening((signal) => open(client, jobId, signal), options)) {
    if (job === undefined || job.version <= version) continue;
    version = job.version;
    yield job;
    if (isFinal(job.state)) return;
  }
}

async function* open(
  client: Pick<HodeiClient, "jobs">,
  jobId: string,
  signal: AbortSignal,
): AsyncGenerator<WatchJobResponse> {
  yield* client.jobs.watchJob({ jobId }, { signal });
  throw new HodeiError("unavailable", "connection_lost", "the server ended the watch early");
}

/** The job once it has ended. `onChange` sees every version on the way, the last included. @throws as `watchJob`. */
export async function waitForJob(
  client: Pick<HodeiClient, "jobs">,
  jobId: string,
  options: StreamOptions & { readonly onChange?: (job: Job) => void } = {},
): Promise<Job> {
  for await (const job of watchJob(client, jobId, options)) {
    options.onChange?.(job);
    if (isFinal(job.state)) return job;
  }
  throw new Error("a watch fails or yields the end of its job");
}
