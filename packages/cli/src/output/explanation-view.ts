import { JobState, PlacementPolicy } from "@hodei/proto/hodei/v1/job";
import {
  type ExplainJobResponse,
  type PlanJobResponse,
  PolicySource,
} from "@hodei/proto/hodei/v1/job_service";
import { enumWord } from "./enum-word.ts";
import { type Cell, type Style, table, visible } from "./text.ts";
import { instant } from "./time.ts";

type Paint = (style: Style, text: string) => string;

/** Why a job waits, or why it was placed where it was. */
export function explanationText(explanation: ExplainJobResponse, paint: Paint): string {
  const isPending = explanation.job?.state === JobState.PENDING;
  return verdictText(explanation, isPending ? "FITS WORKER" : "WORKER", paint);
}

/** What would become of a job. */
export function planText(plan: PlanJobResponse, paint: Paint): string {
  return verdictText(plan, "FITS WORKER", paint);
}

function verdictText(
  { summary, reasons, scores, expectedStart }: Omit<PlanJobResponse, "$typeName">,
  workerTitle: string,
  paint: Paint,
): string {
  const parts = [`${visible(summary)}\n`];
  if (expectedStart !== undefined) parts.push(`expected start: ${instant(expectedStart)}\n`);
  if (reasons.length > 0) {
    const rows = reasons.map(({ code, message, workerCount }): Cell[] => [
      code,
      workerCount === 0 ? "" : `${workerCount}`,
      message,
    ]);
    parts.push(table(["REASON", "WORKERS", "MESSAGE"], rows, paint));
  }
  if (scores.length > 0) {
    const rows = scores.map(({ workerId, score, policy, policySource, parts: sum }): Cell[] => [
      workerId,
      score.toFixed(3),
      policyText(policy, policySource),
      sum.map(({ scorer, points }) => `${scorer} ${points.toFixed(3)}`).join(" + "),
    ]);
    parts.push(table([workerTitle, "SCORE", "POLICY", "SUM OF"], rows, paint));
  }
  return parts.join("\n");
}

/** Empty if the server is older than this answer. */
function policyText(policy: PlacementPolicy, source: PolicySource): string {
  if (policy === PlacementPolicy.UNSPECIFIED) return "";
  return `${enumWord(PlacementPolicy, policy)} of the ${enumWord(PolicySource, source)}`;
}
