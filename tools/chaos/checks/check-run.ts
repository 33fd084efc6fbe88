import type { FinishedRun, Violation } from "../history/finished-run.ts";
import { checkBounded } from "./bounded.ts";
import { checkCancelProved } from "./cancel-proved.ts";
import { checkKept } from "./kept.ts";
import { checkLimitsHold } from "./limits-hold.ts";
import { checkLogsWhole } from "./logs-whole.ts";
import { checkNoSecret } from "./no-secret.ts";
import { checkOneResult } from "./one-result.ts";
import { checkOutcomes } from "./outcomes.ts";
import { checkTailsWhole } from "./tails-whole.ts";

/** Each looks at one run; pure. */
const CHECKS = [
  checkKept,
  checkOneResult,
  checkOutcomes,
  checkLogsWhole,
  checkTailsWhole,
  checkCancelProved,
  checkNoSecret,
  checkBounded,
  checkLimitsHold,
] as const;

/** Everything that `run` did not keep of what is promised. */
export function checkRun(run: FinishedRun): readonly Violation[] {
  return CHECKS.flatMap((check) => check(run));
}
