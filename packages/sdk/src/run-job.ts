import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Job } from "@hodei/proto/hodei/v1/job";
import type { CreateJobRequestSchema } from "@hodei/proto/hodei/v1/job_service";
import { type LogChunk, LogStream } from "@hodei/proto/hodei/v1/log_service";
import { abortsWith } from "./aborts-with.ts";
import type { HodeiClient } from "./client.ts";
import { HodeiError } from "./errors.ts";
import type { StreamOptions } from "./reopening.ts";
import { tailLogs } from "./tail-logs.ts";
import { waitForJob } from "./watch-job.ts";

/** What the caller of `runJob` hears. A promise from an output handler holds the log back until it is settled. */
export interface RunHandlers {
  /** The job is stored and will run, whatever becomes of this process. */
  readonly onCreated?: (job: Job) => void;
  /** Every version of the job, the last included. */
  readonly onChange?: (job: Job) => void;
  readonly onStdout?: (bytes: Uint8Array) => void | Promise<void>;
  readonly onStderr?: (bytes: Uint8Array) => void | Promise<void>;
  /** `chunk.gapBytes` bytes of `chunk.stream` are missing here for good. */
  readonly onGap?: (chunk: LogChunk) => void | Promise<void>;
}

/**
 * Creates a job and follows it to its end; resolves to the job as it ended, whatever its outcome, after all of
 * its output was handed over. Aborting `signal` stops following; it does not cancel the job.
 * @throws HodeiError from `createJob`; `unavailable` once the server has been gone for the limit; `cancelled`.
 */
export async function runJob(
  client: Pick<HodeiClient, "jobs" | "logs">,
  request: MessageInitShape<typeof CreateJobRequestSchema>,
  options: RunHandlers & StreamOptions = {},
): Promise<Job> {
  const { job } = await client.jobs.createJob(
    request,
    options.signal === undefined ? {} : { signal: options.signal },
  );
  if (job === undefined) throw new HodeiError("internal", "internal", "the server sent no job");
  options.onCreated?.(job);
  return followJob(client, job.id, options);
}

/** As `runJob`, for a job that exists. */
export async function followJob(
  client: Pick<HodeiClient, "jobs" | "logs">,
  jobId: string,
  options: RunHandlers & StreamOptions = {},
): Promise<Job> {
  const stop = abortsWith(options.signal);
  const follow = { ...options, signal: stop.signal };
  const { promise: left, reject: leave } = Promise.withResolvers<never>();
  // A handler may wait for a reader that never comes: whoever leaves does not wait with it.
  stop.signal.addEventListener("abort", () =>
    leave(new HodeiError("cancelled", "cancelled", "the caller no longer follows the job")),
  );
  try {
    const following = Promise.all([
      waitForJob(client, jobId, follow),
      handOver(client, jobId, follow),
    ]);
    const [job] = await Promise.race([following, left]);
    return job;
  } finally {
    // When one of the two has failed, the other must not go on alone.
    stop.abort();
  }
}

async function handOver(
  client: Pick<HodeiClient, "jobs" | "logs">,
  jobId: string,
  options: RunHandlers & StreamOptions,
): Promise<void> {
  for await (const { chunk } of tailLogs(client, { jobId, follow: true }, options)) {
    if (chunk.gapBytes > 0n) await options.onGap?.(chunk);
    if (chunk.data.length === 0) continue;
    if (chunk.stream === LogStream.STDERR) await options.onStderr?.(chunk.data);
    else await options.onStdout?.(chunk.data);
  }
}
