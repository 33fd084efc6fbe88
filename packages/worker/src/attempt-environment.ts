import type { AttemptRef } from "@hodei/domain";
import type { AttemptDirectory } from "./attempt-directory.ts";
import { ATTEMPT_VARIABLE } from "./processes/process-table.ts";

/**
 * What an attempt gets of the worker's own environment: where programs and the user's files are, language and time
 * zone. Everything else (credentials, settings of the worker, `LD_*`, `NODE_OPTIONS`) stays behind. `TERM` too: there is
 * no terminal.
 */
const ALLOWED = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ"];
/** For a worker that was itself started without one; what Debian's login gives. */
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The whole environment of an attempt. The spec may replace everything but `PWD` and the `HODEI_` names, which tell
 * the attempt, and those who look for its processes, what it belongs to.
 */
export function attemptEnvironment(
  host: Environment,
  specEnv: Readonly<Record<string, string>>,
  { ref, directory, cwd }: { ref: AttemptRef; directory: AttemptDirectory; cwd: string },
): Record<string, string> {
  const env: Record<string, string> = { PATH: DEFAULT_PATH, TMPDIR: directory.tmpPath };
  for (const name of ALLOWED) {
    const value = host[name];
    if (value !== undefined && value !== "") env[name] = value;
  }
  return {
    ...env,
    ...specEnv,
    PWD: cwd,
    HODEI_JOB_ID: ref.jobId,
    HODEI_ATTEMPT: String(ref.attempt),
    [ATTEMPT_VARIABLE]: directory.path,
  };
}
