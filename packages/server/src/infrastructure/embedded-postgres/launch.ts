import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { DatabaseUser, RunAs } from "./database-user.ts";
import { embeddedPostgresError, isSystemError } from "./embedded-postgres-error.ts";
import { exists } from "./folders.ts";

/** Nothing of our own environment: PostgreSQL's messages in English, no PG* variable, no secret. */
const ENVIRONMENT = { LC_ALL: "C", PATH: "/usr/bin:/bin", TZ: "UTC" };

/** Where standard output and error both go: a file's descriptor, or pipes to read. */
export type Output = number | "pipe";

/**
 * Starts one of PostgreSQL's programs under the account `runAs`, in a session of its own, so that a
 * Ctrl-C meant for us does not reach it. Resolves once it runs.
 *
 * @throws PlatformError `unsupported_platform`, `start_failed`.
 */
export async function launch(
  program: string,
  args: readonly string[],
  options: { readonly runAs: RunAs; readonly output: Output },
): Promise<ChildProcess> {
  const { runAs, output } = options;
  try {
    const child = spawn(program, args, {
      ...(runAs === null ? {} : { uid: runAs.uid, gid: runAs.gid }),
      cwd: "/", // ours may be closed to the other account
      env: ENVIRONMENT,
      detached: true,
      stdio: ["ignore", output, output],
    });
    await once(child, "spawn");
    return child;
  } catch (error) {
    throw await launchFailure(error, program, runAs);
  }
}

async function launchFailure(error: unknown, program: string, runAs: RunAs): Promise<unknown> {
  if (isSystemError(error, "ENOENT") && (await exists(program))) {
    return embeddedPostgresError(
      "unsupported_platform",
      `${program} cannot run here: it needs the GNU C library (Alpine has another). Use your own server with ` +
        "--database-url",
      error,
    );
  }
  if (isSystemError(error, "EPERM") || isSystemError(error, "EINVAL")) {
    return embeddedPostgresError("start_failed", cannotSwitch(runAs), error);
  }
  if (!isSystemError(error)) return error;
  return embeddedPostgresError("start_failed", `cannot run ${program}: ${error.message}`, error);
}

function cannotSwitch(user: DatabaseUser | null): string {
  return (
    `PostgreSQL refuses to run as root, and this root may not switch to user ${user?.uid}: run as an ordinary ` +
    "user, or use your own server with --database-url"
  );
}
