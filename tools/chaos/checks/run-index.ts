import type {
  AttemptRecord,
  EventRecord,
  FinishedRun,
  JobRecord,
} from "../history/finished-run.ts";
import type { JobPlan } from "../plan/job-plan.ts";
import type { Progress } from "../program/progress.ts";

/** All that is known of one job that was answered. */
export interface JobHistory {
  readonly jobId: string;
  readonly plan: JobPlan;
  /** `undefined`: it is nowhere. */
  readonly record: JobRecord | undefined;
  readonly attempts: readonly AttemptRecord[];
  readonly events: readonly EventRecord[];
}

/** The run by jobs, in the order in which they were answered. */
export function historiesOf(run: FinishedRun): readonly JobHistory[] {
  const plans = new Map(run.plan.jobs.map((plan) => [plan.key, plan]));
  const records = new Map(run.jobs.map((record) => [record.id, record]));
  const attempts = Map.groupBy(run.attempts, ({ jobId }) => jobId);
  const events = Map.groupBy(run.events, ({ jobId }) => jobId);
  return run.submissions.flatMap(({ key, jobId }) => {
    const plan = plans.get(key);
    if (plan === undefined) return [];
    return [
      {
        jobId,
        plan,
        record: records.get(jobId),
        attempts: attempts.get(jobId) ?? [],
        events: events.get(jobId) ?? [],
      },
    ];
  });
}

/** Notes of the processes of one attempt; there is one unless it was started twice. */
export function progressOf(
  run: FinishedRun,
): (jobId: string, attempt: number) => readonly Progress[] {
  const groups = Map.groupBy(run.progress, ({ jobId, attempt }) => `${jobId}/${attempt}`);
  return (jobId, attempt) => groups.get(`${jobId}/${attempt}`) ?? [];
}
