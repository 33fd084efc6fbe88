import type { Attempt, Job, JobId, JobSpec } from "@hodei/domain";
import type { Deps } from "./deps.ts";
import { ownedBy, type Principal } from "./principal.ts";

/** One job of the caller's tenant. @throws PlatformError `not_found` */
export async function findOwnJob(
  deps: Pick<Deps, "database">,
  principal: Principal,
  id: JobId,
): Promise<Job> {
  return ownedBy(principal, "job", await deps.database.readers.jobs.find(id), id);
}

/** A job with its spec, its attempts, oldest first, and with what day it goes, if it is about to. @throws PlatformError `not_found` */
export async function getJob(
  deps: Pick<Deps, "database">,
  principal: Principal,
  id: JobId,
): Promise<{
  job: Job;
  spec: JobSpec;
  attempts: readonly Attempt[];
  /** `null` until it has ended and moved out of the way of those that live. */
  keptUntil: Date | null;
}> {
  const job = await findOwnJob(deps, principal, id);
  const { jobs, attempts } = deps.database.readers;
  const keptUntil = job.outcome === null ? undefined : await jobs.findKeptUntil(id);
  return {
    job,
    spec: await jobs.getSpec(id),
    attempts: await attempts.list(id),
    keptUntil: keptUntil ?? null,
  };
}
