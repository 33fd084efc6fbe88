import type { Job, JobFilter, Page, PageRequest } from "@hodei/domain";
import type { Deps } from "./deps.ts";
import type { Principal } from "./principal.ts";

/** Jobs of the caller's tenant, newest first. @throws PlatformError `invalid_argument` for a foreign page token */
export async function listJobs(
  deps: Pick<Deps, "database">,
  principal: Principal,
  filter: Omit<JobFilter, "tenantId">,
  page: PageRequest,
): Promise<Page<Job>> {
  return deps.database.readers.jobs.list({ ...filter, tenantId: principal.tenantId }, page);
}
