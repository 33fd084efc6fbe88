import type { Explanation } from "../../../application/index.ts";
import { PLACEMENT_POLICIES, POLICY_SOURCES } from "./enums.ts";
import { toProtoOptionalTime } from "./times.ts";

/** What `ExplainJobResponse` and `PlanJobResponse` share. */
export function toProtoVerdict(explanation: Omit<Explanation, "job">) {
  const { summary, reasons, scores, expectedStartAt } = explanation;
  return {
    summary,
    reasons: reasons.map((reason) => ({ ...reason })),
    scores: scores.map(({ workerId, policy, policySource, score, parts, poolScore }) => ({
      workerId,
      score,
      policy: PLACEMENT_POLICIES.toProto(policy),
      policySource: POLICY_SOURCES.toProto(policySource),
      ...(poolScore === null ? {} : { poolScore }),
      parts: parts.map((part) => ({ ...part })),
    })),
    expectedStart: toProtoOptionalTime(expectedStartAt),
  };
}
