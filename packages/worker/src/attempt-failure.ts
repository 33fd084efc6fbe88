import { type ExitReason, type Outcome, outcomeOf } from "@hodei/domain";

/** Ends an attempt before or at its start; caught where the attempt is run. */
export class AttemptFailure extends Error {
  readonly outcome: Outcome;

  /** `message`: one sentence for the author of the job. */
  constructor(reason: ExitReason, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.outcome = outcomeOf(reason, message);
  }
}
