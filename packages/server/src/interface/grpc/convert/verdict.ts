import type { Explanation } from "../../../application/index.ts";
import { toProtoOptionalTime } from "./times.ts";

/** What `ExplainJobResponse` and `PlanJobResponse` share. */
export function toProtoVerdict(explanation: Omit<Explanation, "job">) {
  const { summary, reasons, scores, expectedStartAt } = explanation;
  return {
    summary,
    reasons: reasons.map((reason) => ({ ...reason })),
    scores: scores.map(({ workerId, score, parts }) => ({
      workerId,
      score,
      parts: parts.map((part) => ({ ...part })),
    })),
    expectedStart: toProtoOptionalTime(expectedStartAt),
  };
}
