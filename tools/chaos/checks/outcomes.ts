import type { AttemptRecord, FinishedRun, Violation } from "../history/finished-run.ts";
import type { JobPlan } from "../plan/job-plan.ts";
import { BEHAVIOURS } from "../program/behaviours.ts";
import { historiesOf } from "./run-index.ts";

/** Ends that the faults of a run bring about, whatever the job does. */
const FROM_OUTSIDE: ReadonlySet<string> = new Set(["worker_lost", "cancelled_by", "run_timeout"]);

/** An attempt ends as its job is made to, unless somebody ended it. */
export function checkOutcomes(run: FinishedRun): readonly Violation[] {
  return historiesOf(run).flatMap(({ jobId, plan, attempts }) =>
    attempts.flatMap((attempt) => {
      const message = judge(plan, attempt);
      return message === undefined ? [] : [{ promise: "one-result", message, jobId }];
    }),
  );
}

function judge(plan: JobPlan, attempt: AttemptRecord): string | undefined {
  const { number, reason, exitCode, startedAt } = attempt;
  // An attempt that never started gives its job back, and says no more than that.
  if (reason === null || startedAt === null) return undefined;
  const told = `attempt ${number} of a job that ${describe(plan)} ended as ${reason} (exit code ${exitCode})`;
  if (reason === "cancelled_by" && plan.cancelAfterMs === null)
    return `${told}, and nobody cancelled it`;
  return FROM_OUTSIDE.has(reason) || isOwnEnd(plan, attempt) ? undefined : told;
}

/** Whether it ended as its behaviour and its program make it end. */
function isOwnEnd({ behaviour, task }: JobPlan, { reason, exitCode }: AttemptRecord): boolean {
  if (behaviour === "memory-hog") return reason === "oom_killed";
  // A bomb may leave no room for the shell that lit it.
  if (behaviour === "fork-bomb") return reason === "non_zero_exit" || reason === "signal";
  if (BEHAVIOURS[behaviour].isEndless) return false;
  return (
    reason === (task.exitCode === 0 ? "completed" : "non_zero_exit") && exitCode === task.exitCode
  );
}

const describe = ({ behaviour, task }: JobPlan): string =>
  `is made as ${behaviour} with ${task.writing.content} and exit code ${task.exitCode}`;
