import { join } from "node:path";
import type { Random } from "@hodei/domain";
import type { Logger } from "pino";
import type { Environment } from "./attempt-environment.ts";
import { AttemptTable } from "./attempt-table.ts";
import { type AttemptUser, environmentOf, findAttemptUser } from "./attempt-user.ts";
import type { WorkerClock } from "./clock.ts";
import type { WorkerConfig } from "./config.ts";
import { openConnection } from "./connection.ts";
import { ControlGroups } from "./control-groups/control-groups.ts";
import { Gpus } from "./gpus.ts";
import { Host } from "./host.ts";
import { PipePool } from "./pipe-pool.ts";
import { ProcessTable } from "./processes/process-table.ts";
import { findSandbox, SANDBOX_LABEL, type Sandbox } from "./processes/sandbox.ts";
import { ShellPool } from "./processes/shell-pool.ts";
import { obtainIdentity } from "./register.ts";
import { createStartAttempt } from "./run-attempt.ts";
import { MemoryFolders } from "./secrets/memory-folders.ts";
import { SessionLoop } from "./session-loop.ts";
import { Spool } from "./spool/spool.ts";
import { attemptsPath, holdStateDirectory } from "./state-directory.ts";
import { readVersion } from "./version.ts";
import { type RunningWorker, Worker } from "./worker.ts";

export interface StartWorkerDeps {
  readonly clock: WorkerClock;
  readonly random: Random;
  readonly log: Logger;
  /** Environment of which attempts get a part; see `attemptEnvironment`. */
  readonly hostEnv: Environment;
}

/**
 * Joins the server if need be and begins to hold a session; a server that cannot be reached is waited for. `signal` ends
 * the waiting.
 * @throws PlatformError as `findAttemptUser`, `holdStateDirectory` and `obtainIdentity` do; nothing is left running then
 */
export async function startWorker(
  deps: StartWorkerDeps,
  config: WorkerConfig,
  signal: AbortSignal,
): Promise<RunningWorker> {
  const user = await findAttemptUser(config);
  const directory = await holdStateDirectory(deps, config.stateDir, user);
  const sandbox = await findSandbox(deps.hostEnv.PATH, user);
  const labels = {
    ...config.labels,
    ...(sandbox.kind === "usable" && { [SANDBOX_LABEL]: "bubblewrap" }),
  };
  const host = new Host(deps, { ...config, labels });
  const groups = await ControlGroups.open(deps);
  const pipes = new PipePool(join(config.stateDir, "pipes"), user);
  const shells = new ShellPool({ ...deps, pipes, groups, user });
  const release = async (): Promise<void> => {
    host.stop();
    await shells.stop();
    groups.close();
    await directory.release();
  };
  try {
    await Promise.all([pipes.start(), host.start()]);
    shells.start();
    const identity = await obtainIdentity(deps, config, signal);
    const spool = openSpool(deps, config);
    const memory = await openMemory(deps, config, user);
    const onUnkillable = (): void => worker.drain();
    const attempts = createTable(deps, config, {
      host,
      shells,
      spool,
      memory,
      user,
      sandbox,
      onUnkillable,
    });
    attempts.resume(await spool.findLeft());
    const sessions = new SessionLoop({
      ...deps,
      attempts,
      host,
      version: readVersion(),
      connect: () => openConnection(config.serverUrl, identity),
      onDrain: () => worker.drain(),
    });
    const { drainTimeoutMs } = config;
    const worker = new Worker({ ...deps, attempts, sessions, drainTimeoutMs, release });
    return worker;
  } catch (error) {
    await release();
    throw error;
  }
}

function openSpool({ log }: StartWorkerDeps, config: WorkerConfig): Spool {
  return Spool.open({
    log,
    folder: join(config.stateDir, "spool"),
    maxBytes: config.logSpoolBytes,
    attemptMaxBytes: config.logSpoolAttemptBytes,
  });
}

/** `/dev/shm` is there on every Linux and in every container; the other where systemd has logged the user in. */
function openMemory(
  { hostEnv }: StartWorkerDeps,
  { stateDir }: WorkerConfig,
  user: AttemptUser | undefined,
): Promise<MemoryFolders> {
  return MemoryFolders.open(stateDir, ["/dev/shm", hostEnv.XDG_RUNTIME_DIR ?? ""], user);
}

interface TableParts {
  readonly host: Host;
  readonly shells: ShellPool;
  readonly spool: Spool;
  readonly memory: MemoryFolders;
  readonly user: AttemptUser | undefined;
  readonly sandbox: Sandbox;
  readonly onUnkillable: () => void;
}

function createTable(
  deps: StartWorkerDeps,
  config: WorkerConfig,
  { host, spool, ...parts }: TableParts,
): AttemptTable {
  const gpus = new Gpus(config.gpu?.count ?? 0);
  const startAttempt = createStartAttempt({
    ...deps,
    ...parts,
    hostEnv: environmentOf(parts.user, deps.hostEnv),
    processes: new ProcessTable(),
    limits: {
      isCpuCapped: config.attemptCpu === "cap",
      pidsMax: config.attemptPidsMax,
      openFiles: config.attemptOpenFiles,
    },
    attemptsPath: attemptsPath(config.stateDir),
  });
  return new AttemptTable({
    ...deps,
    startAttempt: gpus.assignTo(startAttempt),
    batchLimits: {
      segmentCount: config.logBatchEntries,
      sizeBytes: config.logBatchBytes,
      intervalMs: config.logBatchIntervalMs,
    },
    logLimitBytes: config.logAttemptBytes,
    findObstacle: ({ gpuCount }) =>
      host.isDiskLow ? "the worker's disk is almost full" : gpus.findObstacle(gpuCount),
    spool,
  });
}
