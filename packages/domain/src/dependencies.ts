import type { JobId } from "./ids.ts";
import { isTerminal, type JobState } from "./job.ts";

/** Most jobs that one job may wait for. */
export const MAX_DEPENDENCY_COUNT = 100;

/** How a job has to end for those that wait for it. `failed` includes timed out, and not cancelled. */
export type DependencyCondition = "succeeded" | "failed" | "any";

/** A job that another one waits for. */
export interface Dependency {
  readonly jobId: JobId;
  readonly condition: DependencyCondition;
}

/** A dependency that `jobId` has, as it is stored until it is known to hold. */
export interface Awaited {
  readonly jobId: JobId;
  readonly afterId: JobId;
  readonly condition: DependencyCondition;
}

/** With the state that the job has which is waited for. */
export interface JudgedDependency extends Awaited {
  readonly afterState: JobState;
}

type Verdict = "waits" | "holds" | "broken";

/** Whether a condition on a job in `afterState` holds, may hold yet, or never will: a job that has ended stays as it is. */
export function judgeDependency({
  condition,
  afterState,
}: Pick<JudgedDependency, "condition" | "afterState">): Verdict {
  if (!isTerminal(afterState)) return "waits";
  return ENDS[condition].includes(afterState) ? "holds" : "broken";
}

/** One sentence part: what a dependency waits for, or why it does not any more. */
export function describeDependency(dependency: JudgedDependency): string {
  const { afterId, afterState, condition } = dependency;
  switch (judgeDependency(dependency)) {
    case "waits":
      return `waits for job ${afterId} (${afterState}) ${WISHES[condition]}`;
    case "holds":
      return `job ${afterId} has ended (${afterState}), as it was to; the next turn of the scheduler may take it`;
    case "broken":
      return `job ${afterId} was ${WISHES[condition]}, and has ended as ${afterState}`;
  }
}

const ENDS: Readonly<Record<DependencyCondition, readonly JobState[]>> = {
  succeeded: ["succeeded"],
  failed: ["failed", "timed_out"],
  any: ["succeeded", "failed", "cancelled", "timed_out"],
};

const WISHES: Readonly<Record<DependencyCondition, string>> = {
  succeeded: "to succeed",
  failed: "to fail",
  any: "to end",
};
