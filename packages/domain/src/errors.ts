/** Closed set of failure kinds; each maps to one gRPC status. */
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

/** Whether the same call may succeed when it is made again unchanged. */
export const RETRYABLE_CODES: Readonly<Record<ErrorCode, boolean>> = {
  invalid_argument: false,
  unauthenticated: false,
  permission_denied: false,
  not_found: false,
  already_exists: false,
  failed_precondition: false,
  conflict: true,
  resource_exhausted: true,
  unimplemented: false,
  unavailable: true,
  deadline_exceeded: true,
  cancelled: false,
  internal: false,
};

/** An expected failure. `message` says what is wrong and what to do; `reason` is stable, for programs. */
export class PlatformError extends Error {
  override readonly name = "PlatformError";
  readonly code: ErrorCode;
  readonly reason: string;

  constructor(code: ErrorCode, reason: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.reason = reason;
  }
}

/** Narrows `error` to a `PlatformError`, of `code` if one is given. */
export function isPlatformError(error: unknown, code?: ErrorCode): error is PlatformError {
  return error instanceof PlatformError && (code === undefined || error.code === code);
}

/** Ends the current work when `condition` does not hold: a bug, caught at the process edge only. */
export function invariant(condition: unknown, why: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${why}`);
}
