import { type ErrorCode, isPlatformError, PlatformError } from "@hodei/domain";
import pg from "pg";
import { missingPartitionOf } from "./missing-partition.ts";

interface Translation {
  readonly code: ErrorCode;
  readonly reason: string;
  readonly message: string;
}

const UNREACHABLE: Translation = {
  code: "unavailable",
  reason: "database_unreachable",
  message: "the database cannot be reached; try again",
};
const BUSY: Translation = {
  code: "unavailable",
  reason: "database_busy",
  message: "the database has too much to do; try again",
};
const REFUSED: Translation = {
  code: "failed_precondition",
  reason: "database_refused",
  message: "the database does not let us in: check the user, password and database name of its URL",
};
const FULL: Translation = {
  code: "resource_exhausted",
  reason: "database_full",
  message: "the database has run out of disk or memory; free some and try again",
};
const NUL_IN_TEXT: Translation = {
  code: "invalid_argument",
  reason: "text_with_nul",
  message: "a text holds a NUL character, which the database cannot store or look for",
};
const NO_PARTITION: Translation = {
  code: "conflict",
  reason: "partition_missing",
  message: "the database has no place for that day yet; try again",
};
const UNEXPECTED: Translation = {
  code: "internal",
  reason: "database_error",
  message: "the database refused a statement",
};

/**
 * By SQLSTATE, or by its class, the first two characters. Everything else is `UNEXPECTED`.
 * Source: PostgreSQL 18 documentation, appendix A.
 */
const BY_SQLSTATE: Readonly<Record<string, Translation>> = {
  "08": UNREACHABLE,
  "22021": NUL_IN_TEXT,
  "22P05": NUL_IN_TEXT,
  "25006": {
    ...UNREACHABLE,
    reason: "database_read_only",
    message: "the database is read-only now",
  },
  "25P03": UNREACHABLE,
  "28": REFUSED,
  "3D000": REFUSED,
  "40001": {
    code: "conflict",
    reason: "serialization_failure",
    message: "another transaction was first; try again",
  },
  "40P01": {
    code: "conflict",
    reason: "deadlock",
    message: "two transactions waited for each other; try again",
  },
  "53": FULL,
  "53300": {
    ...UNREACHABLE,
    reason: "too_many_connections",
    message: "the database has no connection left; try again, or raise its max_connections",
  },
  "57014": {
    code: "deadline_exceeded",
    reason: "statement_timeout",
    message: "the database took too long; try again, or ask for less",
  },
  "57P01": UNREACHABLE,
  "57P02": UNREACHABLE,
  "57P03": UNREACHABLE,
  "57P05": UNREACHABLE,
};

/** What the driver says without a code when a connection is gone or cannot be made. */
const LOST_CONNECTION =
  /^(Connection terminated|Client has encountered a connection error|Client was closed|Query read timeout|timeout expired|Cannot use a pool after)/;
/** What it says to who has waited for too long for a connection that is free. */
const NO_FREE_CONNECTION = "timeout exceeded when trying to connect";

/** For what is refused because too much waits already. */
export function databaseBusy(detail: string): PlatformError {
  return new PlatformError(BUSY.code, BUSY.reason, `${BUSY.message} (${detail})`);
}

/** Translates what the driver threw; everything that is no `PlatformError` yet counts as thrown by the driver. */
export function toPlatformError(error: unknown): PlatformError {
  if (isPlatformError(error)) return error;
  const { code, reason, message } = translate(error);
  const detail = error instanceof Error ? error.message : String(error);
  return new PlatformError(code, reason, code === "internal" ? message : `${message} (${detail})`, {
    cause: error,
  });
}

function translate(error: unknown): Translation {
  if (error instanceof pg.DatabaseError && error.code !== undefined) {
    if (missingPartitionOf(error) !== undefined) return NO_PARTITION;
    return BY_SQLSTATE[error.code] ?? BY_SQLSTATE[error.code.slice(0, 2)] ?? UNEXPECTED;
  }
  if (!(error instanceof Error)) return UNEXPECTED;
  if (error.message === NO_FREE_CONNECTION) return BUSY;
  const isSystemError = "syscall" in error || ("code" in error && error instanceof AggregateError);
  return isSystemError || LOST_CONNECTION.test(error.message) ? UNREACHABLE : UNEXPECTED;
}

/** Whether the same transaction may succeed when it is run again. */
export function isTransient(error: unknown): boolean {
  return (
    isPlatformError(error, "conflict") &&
    (error.reason === "serialization_failure" || error.reason === "deadlock")
  );
}

/** Whether the connection that `error` came from is of no more use. */
export function isConnectionLost(error: unknown): boolean {
  return isPlatformError(error, "unavailable");
}

/** Whether a connection was lost, or could not be made; not whether one was free. */
export function isUnreachable(error: unknown): boolean {
  return isConnectionLost(error) && isPlatformError(error) && error.reason === UNREACHABLE.reason;
}
