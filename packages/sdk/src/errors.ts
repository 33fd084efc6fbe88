import { Code, ConnectError } from "@connectrpc/connect";

/** Closed set of failure kinds, the server's own words. */
export type ErrorCode =
  | "invalid_argument"
  | "unauthenticated"
  | "permission_denied"
  | "not_found"
  | "already_exists"
  | "failed_precondition"
  | "conflict"
  | "resource_exhausted"
  | "unimplemented"
  | "unavailable"
  | "deadline_exceeded"
  | "cancelled"
  | "internal";

/** Response header or trailer in which the server names the stable reason of a failure. */
export const REASON_HEADER = "hodei-reason";

/**
 * Why a call failed.
 *
 * `message` says what is wrong. `reason` is stable, for programs; it is the code where the server gave
 * none, and `unreachable` or `connection_lost` where no answer came. `next` says what to do about it,
 * unless the message does.
 */
export class HodeiError extends Error {
  override readonly name = "HodeiError";
  readonly code: ErrorCode;
  readonly reason: string;
  readonly next: string | undefined;

  constructor(code: ErrorCode, reason: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.reason = reason;
    this.next = NEXT_STEPS.get(reason) ?? NEXT_STEPS.get(code);
  }
}

/** By reason or code; where there is none, the server's message says what to do. */
const NEXT_STEPS: ReadonlyMap<string, string> = new Map([
  ["unreachable", "check that the server is running and that its address is right"],
  ["connection_lost", "the server may be restarting; try again"],
  ["unavailable", "try again in a moment"],
  ["deadline_exceeded", "try again; if it persists, look at the server's load and its log"],
  ["unauthenticated", "give a valid token"],
  ["permission_denied", "ask an administrator for a token with this permission"],
  ["unimplemented", "leave it out, or use a server that has it"],
  ["resource_exhausted", "wait for running jobs to end, or ask for a higher limit"],
  ["internal", "look in the server's log; if it persists, report it as a bug"],
]);

// biome-ignore format: a table reads better in columns
const CODES: Readonly<Record<Code, ErrorCode>> = {
  [Code.Canceled]:           "cancelled",
  [Code.Unknown]:            "internal",
  [Code.InvalidArgument]:    "invalid_argument",
  [Code.DeadlineExceeded]:   "deadline_exceeded",
  [Code.NotFound]:           "not_found",
  [Code.AlreadyExists]:      "already_exists",
  [Code.PermissionDenied]:   "permission_denied",
  [Code.ResourceExhausted]:  "resource_exhausted",
  [Code.FailedPrecondition]: "failed_precondition",
  [Code.Aborted]:            "conflict",
  [Code.OutOfRange]:         "invalid_argument",
  [Code.Unimplemented]:      "unimplemented",
  [Code.Internal]:           "internal",
  [Code.Unavailable]:        "unavailable",
  [Code.DataLoss]:           "internal",
  [Code.Unauthenticated]:    "unauthenticated",
};

/**
 * Any failure of a call as a `HodeiError`; a `HodeiError` comes back as it is.
 *
 * A connection that breaks shows up in the transport as `Canceled`, `Aborted`, `Internal` or `InvalidArgument`, depending
 * on how it broke; all of them become `unavailable` here, unless `signal` says that the caller cancelled.
 */
export function toHodeiError(error: unknown, signal?: AbortSignal): HodeiError {
  if (error instanceof HodeiError) return error;
  const failure = ConnectError.from(error);
  const message = failure.rawMessage;
  if (signal?.aborted) return new HodeiError("cancelled", "cancelled", message, { cause: error });
  const systemCode = findSystemCode(failure.cause);
  if (systemCode !== undefined && UNREACHABLE_CODES.has(systemCode)) {
    return new HodeiError("unavailable", "unreachable", message, { cause: error });
  }
  if (systemCode === "ERR_HTTP2_ERROR") {
    const text = `the server does not speak HTTP/2 (${message})`;
    return new HodeiError("unavailable", "unreachable", text, { cause: error });
  }
  const isBroken = failure.code === Code.Canceled || systemCode !== undefined;
  if (isBroken || (!failure.isWireError && CUT_SHORT.test(message))) {
    const text = `the connection to the server broke (${message})`;
    return new HodeiError("unavailable", "connection_lost", text, { cause: error });
  }
  const code = CODES[failure.code];
  return new HodeiError(code, failure.metadata.get(REASON_HEADER) ?? code, message, {
    cause: error,
  });
}

/** What the transport says of an answer that ends in its middle, in whichever protocol. A server that dies leaves such. */
const CUT_SHORT =
  /^protocol error: (missing (EndStreamResponse|trailer|status)|incomplete envelope|promised \d+ bytes)/;

const UNREACHABLE_CODES: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);

/** The `code` of the first Node.js error in the chain of causes. */
function findSystemCode(cause: unknown): string | undefined {
  const seen = new Set<unknown>();
  for (let link = cause; link instanceof Error && !seen.has(link); link = link.cause) {
    seen.add(link);
    if ("code" in link && typeof link.code === "string") return link.code;
  }
  return undefined;
}
