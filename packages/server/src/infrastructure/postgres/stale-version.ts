import { PlatformError } from "@hodei/domain";

/** What an update throws when the row has moved on since it was read, or is gone. */
export function staleVersion(
  what: string,
  { id, version }: { readonly id: string; readonly version: number },
): PlatformError {
  return new PlatformError(
    "conflict",
    "stale_version",
    `${what} ${id} is not at version ${version} any more`,
  );
}
