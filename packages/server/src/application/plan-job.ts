import {
  checkJobSpec,
  checkRetention,
  createJob,
  type JobId,
  type JobSpec,
  judgeDependency,
} from "@hodei/domain";
import type { Deps } from "./deps.ts";
import { type Explanation, waitSummary } from "./explain-job.ts";
import { dependenciesOf } from "./job-dependencies.ts";
import { type JudgeDeps, judgeWait } from "./judge-wait.ts";
import type { Principal } from "./principal.ts";

/**
 * What `explainJob` would say of a job with this spec, were it created now. Stores nothing.
 * @throws PlatformError `invalid_argument`; `not_found` if it is to wait for a job that is not there
 */
export async function planJob(
  deps: JudgeDeps & Pick<Deps, "ids">,
  { tenantId }: Principal,
  spec: JobSpec,
): Promise<Omit<Explanation, "job">> {
  checkJobSpec(spec);
  checkRetention(deps.settings.retention, tenantId, spec);
  const now = deps.clock.now();
  const id = deps.ids.next() as JobId;
  const job = createJob(spec, { id, tenantId, correlationId: id, now });
  const { jobs } = deps.database.readers;
  const found = await Promise.all(spec.after.map(({ jobId }) => jobs.find(jobId)));
  const afterJobs = new Map(
    found.flatMap((after) => (after === undefined ? [] : [[after.id, after]])),
  );
  const dependencies = dependenciesOf({ job, spec }, afterJobs).filter(
    (dependency) => judgeDependency(dependency) !== "holds",
  );
  const isBlocked = dependencies.length > 0;
  const verdict = await judgeWait(deps, { ...job, isBlocked }, dependencies);
  return { summary: waitSummary(verdict), ...verdict };
}
