import { type LogChunk, LogGap } from "@hodei/proto/hodei/v1/log_service";

/** What to tell a person at a place of a log where bytes are missing. */
export function missingText({ gap, gapBytes }: Pick<LogChunk, "gap" | "gapBytes">): string {
  return `${gapBytes} bytes of output are missing here${REASONS[gap] ?? ""}`;
}

const REASONS: Readonly<Record<LogGap, string>> = {
  [LogGap.UNSPECIFIED]: "",
  [LogGap.DROPPED]: " (the worker's spool was full; --log-overflow block makes the job wait)",
  [LogGap.LIMIT]: " (the log has reached its limit; --log-limit raises it)",
  [LogGap.SKIPPED]: " (skipped to keep up; without --skip they are there)",
  [LogGap.TENANT_LIMIT]: " (the tenant has reached the limit of its logs for that day)",
  [LogGap.EXPIRED]: " (the server did not keep the log for so long)",
};
