import {
  checkJobSpec,
  createJob as createDomainJob,
  type Job,
  type JobId,
  type JobSpec,
  type NewJob,
  PlatformError,
  requestCause,
} from "@hodei/domain";
import type { Deps } from "./deps.ts";
import type { Caller } from "./principal.ts";
import { sameSpec } from "./same-spec.ts";

/** Most jobs in one call. */
export const MAX_BATCH_COUNT = 10_000;

export interface CreateJobInput {
  readonly spec: JobSpec;
  /** `null`: none; a repeat makes another job. */
  readonly idempotencyKey: string | null;
}

type CreateDeps = Pick<Deps, "database" | "clock" | "ids">;

/**
 * Stores the job and its `created` event in one transaction; resolved means kept. A repeat with the same key and spec
 * returns the job that stands.
 * @throws PlatformError `invalid_argument`; `already_exists` if the key stands for another spec
 */
export async function createJob(
  deps: CreateDeps,
  caller: Caller,
  input: CreateJobInput,
): Promise<Job> {
  const [job] = await insert(deps, caller, [input]);
  return job as Job;
}

/** As `createJob` for each input, all or none; ids in the order of `inputs`. */
export async function createJobs(
  deps: CreateDeps,
  caller: Caller,
  inputs: readonly CreateJobInput[],
): Promise<readonly JobId[]> {
  if (inputs.length > MAX_BATCH_COUNT) {
    throw new PlatformError(
      "invalid_argument",
      "batch_too_large",
      `${inputs.length} jobs in one call; send at most ${MAX_BATCH_COUNT}`,
    );
  }
  return (await insert(deps, caller, inputs)).map(({ id }) => id);
}

async function insert(
  deps: CreateDeps,
  caller: Caller,
  inputs: readonly CreateJobInput[],
): Promise<readonly Job[]> {
  for (const { spec } of inputs) checkJobSpec(spec);
  const now = deps.clock.now();
  const { tenantId, correlationId } = caller;
  const causedBy = requestCause(caller.requestId);
  const jobs = inputs.map(({ spec, idempotencyKey }): NewJob => {
    const id = deps.ids.next() as JobId;
    const job = createDomainJob(spec, { id, tenantId, correlationId, now });
    return { job, spec, idempotencyKey, causedBy };
  });
  const inserted = await deps.database.insertJobs(jobs);
  for (const [index, { job, created }] of inserted.entries()) {
    if (!created) await checkRepeat(deps, job.id, jobs[index] as NewJob);
  }
  return inserted.map(({ job }) => job);
}

async function checkRepeat(deps: CreateDeps, storedId: JobId, repeat: NewJob): Promise<void> {
  const stored = await deps.database.readers.jobs.getSpec(storedId);
  if (sameSpec(stored, repeat.spec)) return;
  throw new PlatformError(
    "already_exists",
    "idempotency_key_reused",
    `idempotency key "${repeat.idempotencyKey}" stands for job ${storedId}, which has another spec; use a new key`,
  );
}
