import { JobState } from "@hodei/proto/hodei/v1/job";
import type { ExplainJobResponse } from "@hodei/proto/hodei/v1/job_service";
import { type Cell, type Style, table, visible } from "./text.ts";

type Paint = (style: Style, text: string) => string;

/** Why a job waits, or why it was placed where it was. */
export function explanationText(
  { job, summary, reasons, scores }: ExplainJobResponse,
  paint: Paint,
): string {
  const parts = [`${visible(summary)}\n`];
  if (reasons.length > 0) {
    const rows = reasons.map(({ code, message, workerCount }): Cell[] => [
      code,
      workerCount === 0 ? "" : `${workerCount}`,
      message,
    ]);
    parts.push(table(["REASON", "WORKERS", "MESSAGE"], rows, paint));
  }
  if (scores.length > 0) {
    const title = job?.state === JobState.PENDING ? "FITS WORKER" : "WORKER";
    const rows = scores.map(({ workerId, score }): Cell[] => [workerId, score.toFixed(3)]);
    parts.push(table([title, "SCORE"], rows, paint));
  }
  return parts.join("\n");
}
