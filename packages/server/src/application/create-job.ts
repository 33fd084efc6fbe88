import {
  applyJobEvent,
  checkJobSpec,
  checkRetention,
  createJob as createDomainJob,
  type InsertedJob,
  type Job,
  type JobEvent,
  type JobId,
  type JobSpec,
  type NewJob,
  outcomeOf,
  PlatformError,
  requestCause,
  type Stores,
} from "@hodei/domain";
import type { Deps } from "./deps.ts";
import {
  awaitOrEnd,
  dependenciesOf,
  lockAfterJobs,
  withoutNeedlessBlock,
} from "./job-dependencies.ts";
import { concurrencyLocks, limitsOf } from "./limits.ts";
import type { Caller } from "./principal.ts";
import { sameSpec } from "./same-spec.ts";

/** Most jobs in one call. */
export const MAX_BATCH_COUNT = 10_000;

export interface CreateJobInput {
  readonly spec: JobSpec;
  /** `null`: none; a repeat makes another job. */
  readonly idempotencyKey: string | null;
}

type CreateDeps = Pick<Deps, "database" | "clock" | "ids" | "settings">;

/**
 * Stores the job and its `created` event in one transaction; resolved means kept. A repeat with the same key and spec
 * returns the job that stands.
 * @throws PlatformError `invalid_argument`; `not_found` if it is to wait for a job that is not there; `already_exists` if the key stands for another spec
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
  for (const { spec } of inputs) {
    checkJobSpec(spec);
    checkRetention(deps.settings.retention, caller.tenantId, spec);
  }
  const now = deps.clock.now();
  const { tenantId, correlationId } = caller;
  const causedBy = requestCause(caller.requestId);
  const jobs = inputs.map(({ spec, idempotencyKey }): NewJob => {
    const id = deps.ids.next() as JobId;
    const job = createDomainJob(spec, { id, tenantId, correlationId, now });
    return { job, spec, idempotencyKey, causedBy };
  });
  const inserted = jobs.some((newJob) => mayBeDropped(newJob) || waitsForJobs(newJob))
    ? await insertConditionally(deps, jobs)
    : await deps.database.insertJobs(jobs);
  for (const [index, { job, created }] of inserted.entries()) {
    if (!created) await checkRepeat(deps, job.id, jobs[index] as NewJob);
  }
  return inserted.map(({ job }) => job);
}

const mayBeDropped = ({ job }: NewJob): boolean =>
  job.policy.concurrency?.onConflict === "drop_newest";

const waitsForJobs = ({ spec }: NewJob): boolean => spec.after.length > 0;

/**
 * Stores all of the jobs: those that their concurrency key has no place for, and that say so, and those that wait for what
 * cannot come any more, as ended at once.
 */
function insertConditionally(
  { database, clock }: CreateDeps,
  newJobs: readonly NewJob[],
): Promise<readonly InsertedJob[]> {
  return database.transact(async (stores) => {
    const droppable = newJobs.filter(mayBeDropped).map(({ job }) => limitsOf(job));
    await stores.limits.lock(concurrencyLocks(droppable));
    const afterJobs = await lockAfterJobs(stores, newJobs);
    const isPlain = (newJob: NewJob) => !mayBeDropped(newJob) && !waitsForJobs(newJob);
    const plain = newJobs.filter(isPlain);
    const inserted = new Map<NewJob, InsertedJob>();
    for (const [index, one] of (await stores.jobs.insert(plain)).entries()) {
      inserted.set(plain[index] as NewJob, one);
    }
    for (const newJob of newJobs.filter((other) => !isPlain(other))) {
      const dependencies = dependenciesOf(newJob, afterJobs);
      const [one] = await stores.jobs.insert([withoutNeedlessBlock(newJob, dependencies)]);
      if (one === undefined) continue;
      const at = clock.now();
      const kept =
        one.created && mayBeDropped(newJob) ? await dropIfFull(stores, one.job, at) : one.job;
      const awaits = one.created && kept.isBlocked;
      const job = awaits ? await awaitOrEnd(stores, kept, { dependencies, at }) : kept;
      inserted.set(newJob, { ...one, job });
    }
    return newJobs.map((newJob) => inserted.get(newJob) as InsertedJob);
  });
}

async function dropIfFull({ jobs, limits }: Stores, job: Job, at: Date): Promise<Job> {
  const { concurrency } = job.policy;
  if (concurrency === null) return job;
  const { key, limit } = concurrency;
  const unfinished = await limits.listUnfinished({ tenantId: job.tenantId, key });
  if (unfinished.length <= limit) return job;
  const message = `key \`${key}\` is taken by job ${unfinished[0]?.id}`;
  const event: JobEvent = { type: "cancelled", at, outcome: outcomeOf("dropped", message) };
  return jobs.update(applyJobEvent(job, event), [event]);
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
