export { type ClientOptions, createClient, createClientOver, type HodeiClient } from "./client.ts";
export { type ErrorCode, HodeiError, REASON_HEADER, toHodeiError } from "./errors.ts";
export { fillIdempotencyKeys, retryUnavailable, sendToken, TRIES_MAX } from "./interceptors.ts";
export { RECONNECT_LIMIT_MS, type StreamOptions } from "./reopening.ts";
export { followJob, type RunHandlers, runJob } from "./run-job.ts";
export { type LogPiece, tailLogs } from "./tail-logs.ts";
export { isFinal, waitForJob, watchJob } from "./watch-job.ts";
