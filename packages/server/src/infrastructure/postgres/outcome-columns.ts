import type { ExitReason, Outcome } from "@hodei/domain";

/** An outcome as columns of a job or attempt. */
export interface OutcomeColumns {
  readonly outcome_reason: ExitReason | null;
  readonly outcome_exit_code: number | null;
  readonly outcome_signal: string | null;
  readonly outcome_message: string | null;
}

export function toOutcomeColumns(outcome: Outcome | null): OutcomeColumns {
  return {
    outcome_reason: outcome?.reason ?? null,
    outcome_exit_code: outcome?.exitCode ?? null,
    outcome_signal: outcome?.signal ?? null,
    outcome_message: outcome?.message ?? null,
  };
}

export function fromOutcomeColumns(row: OutcomeColumns): Outcome | null {
  if (row.outcome_reason === null) return null;
  return {
    reason: row.outcome_reason,
    exitCode: row.outcome_exit_code,
    signal: row.outcome_signal,
    message: row.outcome_message ?? "",
  };
}
