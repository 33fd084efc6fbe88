import { join } from "node:path";
import process from "node:process";
import { type Logger, MAX_ATTEMPT_COUNT, PlatformError } from "@hodei/domain";
import { LocalProcessProvider } from "@hodei/providers";
import type { PoolMember } from "./application/index.ts";
import { localWorkerCapacity, type ServerConfig } from "./config.ts";

export interface LocalPoolOptions {
  readonly config: ServerConfig;
  /** Program and arguments that run a worker. */
  readonly workerCommand: readonly string[];
  /** What the workers inherit their search path, locale and the like from. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where the workers reach the worker listener. */
  readonly serverUrl: () => string;
  readonly log: Logger;
}

/**
 * The pool of worker processes on this machine; none if the settings want no workers.
 * @throws PlatformError `failed_precondition`, reason `root_refused`: jobs would run as root, and nobody has allowed it
 */
export function createLocalPools(options: LocalPoolOptions): readonly PoolMember[] {
  const { config, workerCommand, environment, serverUrl, log } = options;
  if (config.localWorkersMax === 0) return [];
  const allowRoot = config.localWorkersAllowRoot;
  if (process.getuid?.() === 0 && !allowRoot) throw rootRefused();
  const dir = join(config.dataDir, "workers");
  const provider = new LocalProcessProvider({
    dir,
    workerCommand,
    environment,
    allowRoot,
    workerSettings: logSettings(config),
    log,
  });
  const capacity = {
    ...localWorkerCapacity(config),
    diskBytes: Number.MAX_SAFE_INTEGER,
    gpuCount: 0,
    attemptCount: config.localWorkerOneJob ? 1 : MAX_ATTEMPT_COUNT,
  };
  const pool = {
    name: "local",
    provider: provider.name,
    minWorkers: config.localWorkersMin,
    maxWorkers: config.localWorkersMax,
    warmWorkers: config.localWorkersWarm,
    idleTimeoutMs: config.localWorkerIdleMs ?? null,
    lifetimeMs: config.localWorkerLifetimeMs ?? null,
    oneJob: config.localWorkerOneJob,
    maxStartsPerMinute: config.localWorkerStartsPerMinute,
    template: { arch: process.arch, labels: {}, capacity },
  };
  return [{ pool, provider, serverUrl }];
}

/** What the settings say of the logs of local workers, as the workers read it. */
function logSettings(config: ServerConfig): Readonly<Record<string, string>> {
  const settings = {
    HODEI_WORKER_LOG_ATTEMPT_BYTES: config.localWorkerLogAttemptBytes,
    HODEI_WORKER_LOG_BATCH_ENTRIES: config.localWorkerLogBatchEntries,
    HODEI_WORKER_LOG_BATCH_INTERVAL_MS: config.localWorkerLogBatchIntervalMs,
    HODEI_WORKER_LOG_BATCH_BYTES: config.localWorkerLogBatchBytes,
  };
  const given = Object.entries(settings).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([name, value]) => [name, String(value)]));
}

function rootRefused(): PlatformError {
  const message =
    "this server runs as root, and so would the jobs of its local workers: start it as another user, let workers join that have --run-as, or allow it with --local-workers-allow-root (HODEI_SERVER_LOCAL_WORKERS_ALLOW_ROOT)";
  return new PlatformError("failed_precondition", "root_refused", message);
}
