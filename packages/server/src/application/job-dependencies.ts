import {
  applyJobEvent,
  describeDependency,
  type Job,
  type JobEvent,
  type JobId,
  type JudgedDependency,
  judgeDependency,
  type NewJob,
  outcomeOf,
  PlatformError,
  type Stores,
  type TenantId,
} from "@hodei/domain";

/** Jobs that are waited for, as they are. */
export type AfterJobs = ReadonlyMap<JobId, Pick<Job, "id" | "tenantId" | "state">>;

/**
 * The jobs that `newJobs` wait for. None of them changes until the transaction ends, so that the end of one comes either
 * before it is looked at here, or after everybody can see that it is waited for.
 */
export async function lockAfterJobs(
  { jobs }: Pick<Stores, "jobs">,
  newJobs: readonly NewJob[],
): Promise<AfterJobs> {
  const ids = [...new Set(newJobs.flatMap(({ spec }) => spec.after.map(({ jobId }) => jobId)))];
  const locked = ids.length === 0 ? [] : await jobs.lockAll(ids);
  return new Map(locked.map((job) => [job.id, job]));
}

/** What a new job waits for. @throws PlatformError `not_found` naming a job that its tenant does not have */
export function dependenciesOf(
  { job, spec }: Pick<NewJob, "spec"> & { readonly job: Pick<Job, "id" | "tenantId"> },
  afterJobs: AfterJobs,
): readonly JudgedDependency[] {
  return spec.after.map(({ jobId: afterId, condition }) => {
    const afterState = ownState(afterJobs, afterId, job.tenantId);
    return { jobId: job.id, afterId, condition, afterState };
  });
}

function ownState(afterJobs: AfterJobs, id: JobId, tenantId: TenantId): Job["state"] {
  const job = afterJobs.get(id);
  if (job?.tenantId === tenantId) return job.state;
  throw new PlatformError("not_found", "job_not_found", `after: no job ${id}`);
}

/** As the job is to be stored first: one that waits for nothing more is not blocked. */
export function withoutNeedlessBlock(
  newJob: NewJob,
  dependencies: readonly JudgedDependency[],
): NewJob {
  const isBlocked = dependencies.some((dependency) => judgeDependency(dependency) !== "holds");
  return { ...newJob, job: { ...newJob.job, isBlocked } };
}

/** Stores what a job waits for that was just inserted, or ends it if that cannot come any more. */
export async function awaitOrEnd(
  stores: Pick<Stores, "jobs" | "dependencies">,
  job: Job,
  { dependencies, at }: { readonly dependencies: readonly JudgedDependency[]; readonly at: Date },
): Promise<Job> {
  const event = settledEvent(dependencies, at);
  if (event?.type === "cancelled") return stores.jobs.update(applyJobEvent(job, event), [event]);
  await stores.dependencies.insert(
    dependencies.filter((dependency) => judgeDependency(dependency) === "waits"),
  );
  return job;
}

/** What the dependencies of a blocked job do to it: end it, or let it go; `undefined`: it waits on. */
export function settledEvent(
  dependencies: readonly JudgedDependency[],
  at: Date,
): JobEvent | undefined {
  const broken = dependencies.find((dependency) => judgeDependency(dependency) === "broken");
  if (broken !== undefined) {
    const outcome = outcomeOf("dependency_failed", describeDependency(broken));
    return { type: "cancelled", at, outcome };
  }
  const waits = dependencies.some((dependency) => judgeDependency(dependency) === "waits");
  return waits ? undefined : { type: "unblocked", at };
}
