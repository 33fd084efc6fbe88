import { type ErrorCode, PlatformError } from "@hodei/domain";

/** System errors that say more than "it did not work". */
const CODES: Readonly<Record<string, ErrorCode>> = {
  EAGAIN: "resource_exhausted",
  EDQUOT: "resource_exhausted",
  EMFILE: "resource_exhausted",
  ENFILE: "resource_exhausted",
  ENOMEM: "resource_exhausted",
  ENOSPC: "resource_exhausted",
  E2BIG: "failed_precondition",
  EACCES: "failed_precondition",
  ENOTDIR: "failed_precondition",
  EPERM: "failed_precondition",
  EROFS: "failed_precondition",
};

/** What the provider's caller gets for an error of the file system or of `spawn`; reason `local_process`. */
export function toPlatformError(error: unknown, attempted: string): PlatformError {
  if (error instanceof PlatformError) return error;
  const { code = "", message } = error as NodeJS.ErrnoException;
  return new PlatformError(
    CODES[code] ?? "unavailable",
    "local_process",
    `cannot ${attempted}: ${message}`,
    { cause: error },
  );
}
