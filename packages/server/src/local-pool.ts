import { join } from "node:path";
import type { Logger } from "@hodei/domain";
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

/** The pool of worker processes on this machine; none if the settings want no workers. */
export function createLocalPools(options: LocalPoolOptions): readonly PoolMember[] {
  const { config, workerCommand, environment, serverUrl, log } = options;
  if (config.localWorkersMax === 0) return [];
  const dir = join(config.dataDir, "workers");
  const provider = new LocalProcessProvider({ dir, workerCommand, environment, log });
  const capacity = { ...localWorkerCapacity(config), diskBytes: Number.MAX_SAFE_INTEGER };
  const pool = {
    name: "local",
    provider: provider.name,
    minWorkers: config.localWorkersMin,
    maxWorkers: config.localWorkersMax,
    warmWorkers: config.localWorkersWarm,
    idleTimeoutMs: config.localWorkerIdleMs ?? null,
    lifetimeMs: config.localWorkerLifetimeMs ?? null,
    maxStartsPerMinute: config.localWorkerStartsPerMinute,
    template: { arch: process.arch, labels: {}, capacity },
  };
  return [{ pool, provider, serverUrl }];
}
