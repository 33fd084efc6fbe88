import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  Code,
  ConnectError,
  type Interceptor,
  type StreamRequest,
  type UnaryRequest,
} from "@connectrpc/connect";
import { type ErrorCode, isPlatformError, type PlatformError } from "@hodei/domain";
import { RetryInfoSchema } from "@hodei/proto/google/rpc/error_details";
import type { Deps } from "../../application/index.ts";

/** Response header or trailer with the stable reason of a failure. */
export const REASON_HEADER = "hodei-reason";
/** Longest message of an error in characters; gRPC sends it as a trailer, and clients bound those at 8 KiB. */
const MAX_MESSAGE_LENGTH = 2_000;

// biome-ignore format: a table reads better in columns
const CODES: Readonly<Record<ErrorCode, Code>> = {
  invalid_argument:    Code.InvalidArgument,
  unauthenticated:     Code.Unauthenticated,
  permission_denied:   Code.PermissionDenied,
  not_found:           Code.NotFound,
  already_exists:      Code.AlreadyExists,
  failed_precondition: Code.FailedPrecondition,
  conflict:            Code.Aborted,
  resource_exhausted:  Code.ResourceExhausted,
  unimplemented:       Code.Unimplemented,
  unavailable:         Code.Unavailable,
  deadline_exceeded:   Code.DeadlineExceeded,
  cancelled:           Code.Canceled,
  internal:            Code.Internal,
};

/**
 * When to try again what may succeed unchanged, in milliseconds: soon after others were in the way, later where
 * something has to come back or to be worked off first.
 */
const RETRY_DELAY_MS: Readonly<Partial<Record<ErrorCode, number>>> = {
  conflict: 100,
  unavailable: 1_000,
  deadline_exceeded: 1_000,
  resource_exhausted: 2_000,
};

/**
 * The expected failure as a status, with its `reason` in `REASON_HEADER`, and `google.rpc.RetryInfo` if the same call may
 * succeed later. The cause stays here.
 */
export function toConnectError({ code, reason, message }: PlatformError): ConnectError {
  const cut =
    message.length > MAX_MESSAGE_LENGTH ? `${message.slice(0, MAX_MESSAGE_LENGTH)}…` : message;
  return new ConnectError(cut, CODES[code], { [REASON_HEADER]: reason }, retryInfo(code));
}

function retryInfo(code: ErrorCode) {
  const delayMs = RETRY_DELAY_MS[code];
  if (delayMs === undefined) return [];
  return [{ desc: RetryInfoSchema, value: { retryDelay: durationFromMs(delayMs) } }];
}

/**
 * The one place where errors become statuses. What is not expected is logged with its cause, and the caller gets
 * `internal` with the id of the log line. A stream fails while it is read, so its iterable is translated too.
 */
export function translateErrors(deps: Pick<Deps, "log" | "ids">): Interceptor {
  return (next) => async (request) => {
    try {
      const response = await next(request);
      if (!response.stream) return response;
      return { ...response, message: translateIterable(deps, request, response.message) };
    } catch (error) {
      throw translate(deps, request, error);
    }
  };
}

async function* translateIterable<T>(
  deps: Pick<Deps, "log" | "ids">,
  request: UnaryRequest | StreamRequest,
  messages: AsyncIterable<T>,
): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    throw translate(deps, request, error);
  }
}

function translate(
  { log, ids }: Pick<Deps, "log" | "ids">,
  { method, signal }: UnaryRequest | StreamRequest,
  error: unknown,
): ConnectError {
  if (error instanceof ConnectError) return error;
  if (isPlatformError(error) && error.code !== "internal") return toConnectError(error);
  if (signal.aborted && isConsequenceOfAbort(error, signal)) {
    return ConnectError.from(signal.reason, Code.Canceled);
  }
  const correlationId = ids.next();
  log.error("rpc_failed", {
    rpc: `${method.parent.typeName}/${method.name}`,
    correlationId,
    error,
  });
  return new ConnectError(
    `internal error; the server's log tells more under ${correlationId}`,
    Code.Internal,
    { [REASON_HEADER]: "internal" },
  );
}

/** Aborted waits reject with the signal's reason or an AbortError, and cut sockets with an error of Node that has a code. */
function isConsequenceOfAbort(error: unknown, signal: AbortSignal): boolean {
  if (error === signal.reason) return true;
  return error instanceof Error && (error.name === "AbortError" || "code" in error);
}
