import { arch } from "node:os";
import { PlatformError, type ProvisionRequest } from "@hodei/domain";
import type { MachineFolder } from "./machine-folder.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What a worker keeps of its server's environment; the rest may be secret, or belong to a terminal. */
// biome-ignore format: a list reads better in lines
const INHERITED = [
  "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "TZ",
];
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * The whole environment of a worker. No secret is in it: the join token stands in a file.
 * @throws PlatformError `failed_precondition` if no process on this computer can be what the pool's template says
 */
export function workerEnvironment(
  from: Environment,
  request: ProvisionRequest,
  folder: MachineFolder,
): Record<string, string> {
  const { labels, capacity, arch: wanted } = request.template;
  if (wanted !== arch()) {
    throw impossible(
      "wrong_arch",
      `a local worker is ${arch()}, but the pool's template says ${wanted}`,
    );
  }
  const inherited = INHERITED.flatMap((name) => {
    const value = from[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    PATH: DEFAULT_PATH,
    ...Object.fromEntries(inherited),
    HODEI_WORKER_SERVER_URL: request.serverUrl,
    HODEI_WORKER_JOIN_TOKEN_FILE: folder.joinToken,
    HODEI_WORKER_STATE_DIR: folder.stateDir,
    HODEI_WORKER_LABELS: Object.entries(labels).map(toLabelText).join(","),
    HODEI_WORKER_CPU_MILLIS: String(Math.floor(capacity.cpuMillis)),
    HODEI_WORKER_MEMORY_BYTES: String(Math.floor(capacity.memoryBytes)),
    HODEI_WORKER_ATTEMPTS_MAX: String(capacity.attemptCount),
  };
}

/** Entries that only processes of this worker have in their environment: itself, what it started, its attempts. */
export function environmentMarks(folder: MachineFolder): readonly string[] {
  return [`HODEI_WORKER_STATE_DIR=${folder.stateDir}`, `HODEI_ATTEMPT_DIR=${folder.stateDir}/`];
}

function toLabelText([name, value]: readonly [string, string]): string {
  if (/^[^=,\s][^=,]*$/.test(name) && !value.includes(",")) return `${name}=${value}`;
  const what = `"${name}=${value}" cannot be given to a local worker`;
  throw impossible("unusable_label", `the pool's label ${what}: it has a comma or an equals sign`);
}

function impossible(reason: string, message: string): PlatformError {
  return new PlatformError("failed_precondition", reason, message);
}
