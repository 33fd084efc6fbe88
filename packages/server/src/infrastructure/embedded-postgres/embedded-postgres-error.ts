import { type ErrorCode, PlatformError } from "@hodei/domain";

/** What went wrong with the embedded PostgreSQL; the `reason` of the `PlatformError`. */
export type EmbeddedPostgresReason =
  | "already_running"
  | "data_dir_not_writable"
  | "data_version_mismatch"
  | "disk_full"
  | "start_failed"
  | "stop_failed"
  | "unsupported_platform";

const CODES: Readonly<Record<EmbeddedPostgresReason, ErrorCode>> = {
  already_running: "failed_precondition",
  data_dir_not_writable: "failed_precondition",
  data_version_mismatch: "failed_precondition",
  disk_full: "resource_exhausted",
  start_failed: "unavailable",
  stop_failed: "internal",
  unsupported_platform: "failed_precondition",
};

const FULL_CODES: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT"]);
const DENIED_CODES: ReadonlySet<string> = new Set([
  "EACCES",
  "EPERM",
  "EROFS",
  "ENOTDIR",
  "EEXIST", // mkdir where a file is
  "ELOOP",
]);

/**
 * The texts of ENOSPC and EDQUOT in PostgreSQL's own messages, which we always ask for in English.
 */
const FULL_TEXT = /No space left on device|[Dd]isk quota exceeded/;

/** A `PlatformError` with a reason of the closed set above; `message` must say what to do. */
export function embeddedPostgresError(
  reason: EmbeddedPostgresReason,
  message: string,
  cause?: unknown,
): PlatformError {
  return new PlatformError(CODES[reason], reason, message, { cause });
}

/** The failure of one of PostgreSQL's programs, told by the last lines it wrote. */
export function programFailure(what: string, output: string): PlatformError {
  if (FULL_TEXT.test(output)) {
    return embeddedPostgresError(
      "disk_full",
      `${what}: the disk is full. Free some space and start again; what is stored stays intact.\n${output}`,
    );
  }
  const said = output === "" ? "It wrote nothing." : `Its last lines:\n${output}`;
  return embeddedPostgresError(
    "start_failed",
    `${what}. Mend what it names and start again, or use your own server with --database-url. ${said}`,
  );
}

/**
 * Translates what a file operation threw while `dataDir` was being prepared. Anything that is not
 * an operating system error (a bug, or a `PlatformError` already) comes back as it is.
 */
export function fromFileError(error: unknown, dataDir: string): unknown {
  if (!isSystemError(error)) return error;
  if (FULL_CODES.has(error.code)) {
    return embeddedPostgresError(
      "disk_full",
      `the disk of the data folder ${dataDir} is full (${error.message}): free some space and start again`,
      error,
    );
  }
  if (DENIED_CODES.has(error.code)) {
    return embeddedPostgresError(
      "data_dir_not_writable",
      `cannot write the data folder ${dataDir} (${error.message}): make it a folder that this user can ` +
        "write, or choose another one",
      error,
    );
  }
  return embeddedPostgresError(
    "start_failed",
    `cannot prepare the data folder ${dataDir}: ${error.message}`,
    error,
  );
}

/** Narrows to an error of the operating system, of `code` if one is given. */
export function isSystemError(error: unknown, code?: string): error is Error & { code: string } {
  if (!(error instanceof Error) || !("syscall" in error) || !("code" in error)) return false;
  return typeof error.code === "string" && (code === undefined || error.code === code);
}
