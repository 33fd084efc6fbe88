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

/** A job with its spec and its attempts, oldest first. @throws PlatformError `not_found` */
export async function getJob(
  deps: Pick<Deps, "database">,
  principal: Principal,
  id: JobId,
): Promise<{ job: Job; spec: JobSpec; attempts: readonly Attempt[] }> {
  const job = await findOwnJob(deps, principal, id);
  const { jobs, attempts } = deps.database.readers;
  return { job, spec: await jobs.getSpec(id), attempts: await attempts.list(id) };
}
