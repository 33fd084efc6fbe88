import {
  checkJobSpec,
  checkRetention,
  createJob,
  type Job,
  type JobId,
  type JobSpec,
  judgeDependency,
} from "@hodei/domain";
import type { Deps } from "./deps.ts";
import { type Explanation, waitSummary } from "./explain-job.ts";
import { dependenciesOf } from "./job-dependencies.ts";
import { type JudgeDeps, judgeWait, type Verdict } from "./judge-wait.ts";
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
  const verdict =
    (await judgeDrop(deps, job)) ?? (await judgeWait(deps, { ...job, isBlocked }, dependencies));
  return { summary: waitSummary(verdict), ...verdict };
}

/** What becomes of a job that is to end as it is created if its key is taken; `undefined`: it does not. */
async function judgeDrop(
  { database }: Pick<Deps, "database">,
  { tenantId, policy: { concurrency } }: Job,
): Promise<Verdict | undefined> {
  if (concurrency?.onConflict !== "drop_newest") return undefined;
  const { key, limit } = concurrency;
  const [first, ...others] = await database.readers.limits.listUnfinished({ tenantId, key });
  if (first === undefined || others.length + 1 < limit) return undefined;
  const message = `key \`${key}\` is taken by job ${first.id}, so it is dropped as it is created`;
  const reasons = [{ code: "concurrency", message, workerCount: 0 }] as const;
  return { reasons, scores: [], expectedStartAt: null };
}
