import { endProcess, spawnHodei, waitForEvent } from "./processes.ts";

export interface WorkerOptions {
  readonly stateDir: string;
  readonly workerUrl: string;
  readonly joinToken: string;
  /** Gives up waiting for the start. */
  readonly signal: AbortSignal;
}

/** A worker as users run it, a process of its own. */
export interface WorkerProcess {
  readonly id: string;
  readonly pid: number;
  /** From the start of the process until it had joined and its session was open. */
  readonly startMs: number;
  /** Lets it leave in order; nothing happens if it has ended. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when it is dead. */
  kill(): Promise<void>;
}

/** Resolves when the worker's session is open. @throws Error with the log's last lines if it does not start */
export async function startWorker(options: WorkerOptions): Promise<WorkerProcess> {
  const { stateDir, workerUrl, joinToken, signal } = options;
  const startedAtMs = performance.now();
  const child = spawnHodei(["worker", "--server-url", workerUrl, "--state-dir", stateDir], {
    HODEI_WORKER_JOIN_TOKEN: joinToken,
    HODEI_WORKER_ALLOW_ROOT: "true",
  });
  try {
    const { workerId } = await waitForEvent(child, "session.opened", signal);
    return {
      id: String(workerId),
      pid: child.pid ?? 0,
      startMs: performance.now() - startedAtMs,
      stop: () => endProcess(child, "SIGTERM"),
      kill: () => endProcess(child, "SIGKILL"),
    };
  } catch (error) {
    await endProcess(child, "SIGKILL");
    throw error;
  }
}
