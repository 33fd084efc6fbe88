import { isTerminal } from "@hodei/domain";
import type { FinishedRun, Violation } from "../history/finished-run.ts";
import { historiesOf } from "./run-index.ts";

/** Every job that was answered is there, once for its key, and has ended. */
export function checkKept(run: FinishedRun): readonly Violation[] {
  const messages = historiesOf(run).flatMap(({ jobId, plan, record }) => {
    if (record === undefined) return [{ jobId, message: `${plan.key} was answered and is gone` }];
    if (!isTerminal(record.state))
      return [{ jobId, message: `${plan.key} is still ${record.state}` }];
    return record.name === plan.key
      ? []
      : [{ jobId, message: `was answered for ${plan.key} and is ${record.name}` }];
  });
  const doubles = [...Map.groupBy(run.jobs, ({ name }) => name).entries()]
    .filter(([, jobs]) => jobs.length > 1)
    .map(([name, jobs]) => ({
      jobId: jobs[1]?.id ?? null,
      message: `${name} exists ${jobs.length} times`,
    }));
  return [...messages, ...doubles].map((found) => ({ promise: "kept", ...found }));
}
