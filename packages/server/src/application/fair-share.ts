import type { Candidate, FairShare, HeldAttempt, JobReader } from "@hodei/domain";
import type { Settings } from "./settings.ts";

/**
 * Jobs that ended last of which is asked whose they were. That matters where few run at once: where more do, tenants are told
 * apart by what they hold.
 */
const LAST_END_COUNT = 100;

/** How workers are shared between the tenants of `candidates`. Asks nothing of the database if there is one tenant. */
export async function readFairShare(
  { settings: { tenantWeights: weights } }: { readonly settings: Pick<Settings, "tenantWeights"> },
  jobs: Pick<JobReader, "listLastEnds">,
  {
    candidates,
    held,
  }: { readonly candidates: readonly Candidate[]; readonly held: readonly HeldAttempt[] },
): Promise<FairShare> {
  const [first] = candidates;
  const isShared = candidates.some(({ tenantId }) => tenantId !== first?.tenantId);
  return { weights, held, ends: isShared ? await jobs.listLastEnds(LAST_END_COUNT) : [] };
}
