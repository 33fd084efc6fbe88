export {
  durationFromMs,
  durationMs,
  timestampDate,
  timestampFromDate,
} from "@bufbuild/protobuf/wkt";
export { type ClientOptions, createClient, createClientOver, type HodeiClient } from "./client.ts";
export { type ErrorCode, HodeiError, REASON_HEADER, toHodeiError } from "./errors.ts";
export { createInProcessClient } from "./in-process-client.ts";
export { type JobInit, type JobSpecInit, messageToJson } from "./messages.ts";
export { RECONNECT_LIMIT_MS, type StreamOptions } from "./reopening.ts";
export { followJob, type RunHandlers, runJob } from "./run-job.ts";
export { type LogPiece, tailLogs } from "./tail-logs.ts";
export { watchEvents } from "./watch-events.ts";
export { isFinal, waitForJob, watchJob } from "./watch-job.ts";
