import { isPlatformError } from "@hodei/domain";
import type { FinishedRun, Violation } from "../finished-run.ts";

/** What may fail because of a fault or a race; all else is a bug in what was called or in who called it. */
const EXPECTED_CODES = ["unavailable", "conflict", "permission_denied"] as const;

/** Nothing fails for another reason than a fault or a race. */
export function checkNoInternalErrors({ history }: FinishedRun): Violation[] {
  return history.failures
    .filter(({ error }) => !EXPECTED_CODES.some((code) => isPlatformError(error, code)))
    .map(({ atMs, event, error }) => ({
      promise: "no-internal-errors",
      message: `${event} at ${atMs} ms: ${error instanceof Error ? error.message : error}`,
      subject: null,
    }));
}
