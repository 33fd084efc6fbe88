import { checkJobSpec, createJob, type JobId, type JobSpec } from "@hodei/domain";
import type { Deps } from "./deps.ts";
import { type Explanation, waitSummary } from "./explain-job.ts";
import { type JudgeDeps, judgeWait } from "./judge-wait.ts";
import type { Principal } from "./principal.ts";

/**
 * What `explainJob` would say of a job with this spec, were it created now. Stores nothing.
 * @throws PlatformError `invalid_argument`
 */
export async function planJob(
  deps: JudgeDeps & Pick<Deps, "ids">,
  { tenantId }: Principal,
  spec: JobSpec,
): Promise<Omit<Explanation, "job">> {
  checkJobSpec(spec);
  const now = deps.clock.now();
  const id = deps.ids.next() as JobId;
  const job = createJob(spec, { id, tenantId, correlationId: id, now });
  const verdict = await judgeWait(deps, job);
  return { summary: waitSummary(verdict), ...verdict };
}
