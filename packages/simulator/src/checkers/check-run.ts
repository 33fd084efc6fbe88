import type { FinishedRun, Violation } from "../finished-run.ts";
import { checkCapacity } from "./capacity.ts";
import { checkDependencies } from "./dependencies.ts";
import { checkGaplessEvents } from "./gapless-events.ts";
import { checkKept } from "./kept.ts";
import { checkLimits } from "./limits.ts";
import { checkLogsWhole } from "./logs-whole.ts";
import { checkNoInternalErrors } from "./no-internal-errors.ts";
import { checkNoNeedlessLoss } from "./no-needless-loss.ts";
import { checkOneJobPerKey } from "./one-job-per-key.ts";
import { checkOneResult } from "./one-result.ts";
import { checkOneStart } from "./one-start.ts";
import { checkPolicies } from "./policies.ts";
import { checkPoolSize } from "./pool-size.ts";
import { checkPreemption } from "./preemption.ts";
import { checkTailsWhole } from "./tails-whole.ts";

/** Everything that `run` did not keep of what is promised. */
export function checkRun(run: FinishedRun): readonly Violation[] {
  return [
    checkKept,
    checkOneResult,
    checkOneStart,
    checkGaplessEvents,
    checkPolicies,
    checkOneJobPerKey,
    checkCapacity,
    checkLimits,
    checkDependencies,
    checkPreemption,
    checkPoolSize,
    checkLogsWhole,
    checkTailsWhole,
    checkNoNeedlessLoss,
    checkNoInternalErrors,
  ].flatMap((check) => check(run));
}
