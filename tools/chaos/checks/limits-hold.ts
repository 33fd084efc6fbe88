import type { AttemptRecord, FinishedRun, Violation } from "../history/finished-run.ts";
import type { JobPlan } from "../plan/job-plan.ts";
import { historiesOf } from "./run-index.ts";

/** A moment at which a worker gets an attempt, or has one less. */
interface Step {
  readonly at: number;
  readonly jobId: string;
  readonly cpuMillis: number;
  readonly memoryBytes: number;
}

/** No worker holds more than it can. */
export function checkLimitsHold(run: FinishedRun): readonly Violation[] {
  const steps = new Map<string, Step[]>();
  for (const { plan, attempts } of historiesOf(run)) {
    for (const attempt of attempts)
      steps.set(attempt.workerId, [
        ...(steps.get(attempt.workerId) ?? []),
        ...stepsOf(plan, attempt),
      ]);
  }
  return run.workers.flatMap(({ id, cpuMillis, memoryBytes }) => {
    let held = { cpuMillis: 0, memoryBytes: 0 };
    // What ends at an instant has ended before what begins at it.
    const inOrder = (steps.get(id) ?? []).sort((a, b) => a.at - b.at || a.cpuMillis - b.cpuMillis);
    for (const step of inOrder) {
      held = {
        cpuMillis: held.cpuMillis + step.cpuMillis,
        memoryBytes: held.memoryBytes + step.memoryBytes,
      };
      if (held.cpuMillis <= cpuMillis && held.memoryBytes <= memoryBytes) continue;
      const message = `worker ${id} can give ${cpuMillis} of processor and held ${held.cpuMillis} (memory ${held.memoryBytes} of ${memoryBytes})`;
      return [{ promise: "limits-hold", message, jobId: step.jobId }];
    }
    return [];
  });
}

function stepsOf(
  { cpuMillis, memoryBytes }: JobPlan,
  { jobId, assignedAt, finishedAt }: AttemptRecord,
): readonly Step[] {
  const begin = { at: assignedAt.getTime(), jobId, cpuMillis, memoryBytes };
  if (finishedAt === null) return [begin];
  return [
    begin,
    { at: finishedAt.getTime(), jobId, cpuMillis: -cpuMillis, memoryBytes: -memoryBytes },
  ];
}
