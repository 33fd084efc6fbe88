import { isTerminal, type Job, type JobId, PlatformError } from "@hodei/domain";
import { createJob } from "./create-job.ts";
import type { Deps } from "./deps.ts";
import { findOwnJob } from "./get-job.ts";
import type { Caller } from "./principal.ts";

/**
 * A new job with the spec of a finished one. @throws PlatformError `not_found`; `failed_precondition` while the job has
 * not ended
 */
export async function retryJob(
  deps: Pick<Deps, "database" | "clock" | "ids" | "settings">,
  caller: Caller,
  id: JobId,
  idempotencyKey: string | null,
): Promise<Job> {
  const job = await findOwnJob(deps, caller, id);
  if (!isTerminal(job.state)) {
    throw new PlatformError(
      "failed_precondition",
      "job_not_finished",
      `job ${id} is ${job.state}; wait for its end or cancel it first`,
    );
  }
  const spec = await deps.database.readers.jobs.getSpec(id);
  return createJob(deps, caller, { spec, idempotencyKey });
}
