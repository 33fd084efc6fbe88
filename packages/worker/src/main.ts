import process from "node:process";
import { isPlatformError } from "@hodei/domain";
import { pino } from "pino";
import { systemClock } from "./clock.ts";
import { loadWorkerConfig, type WorkerOptions } from "./config.ts";
import { startWorker } from "./start-worker.ts";
import type { RunningWorker } from "./worker.ts";

const STOP_SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

/**
 * Runs a worker as this process until it has left, and returns the exit code. Settings come from `HODEI_WORKER_*` and
 * `options`, which win. The first SIGTERM, SIGINT or SIGHUP lets it leave in order, the second at once. Logs JSON lines
 * to standard error.
 * @throws PlatformError if the settings are wrong, the state directory cannot be used or the worker cannot join
 */
export async function runWorker(options: WorkerOptions = {}): Promise<number> {
  const config = loadWorkerConfig(process.env, options);
  const log = pino(
    { level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  );
  const stopping = new AbortController();
  let worker: RunningWorker | undefined;
  const onSignal = (name: string): void => {
    log.info({ event: "worker.signalled", signal: name });
    if (stopping.signal.aborted) worker?.kill();
    stopping.abort();
    // Its end, and its failure, come through `done`.
    worker?.stop().catch(() => {});
  };
  // A bug must not leave processes behind that nobody watches.
  const onBug = (err: unknown): void => {
    log.fatal({ event: "worker.crashed", err });
    worker?.kill();
  };
  for (const name of STOP_SIGNALS) process.on(name, onSignal);
  process.on("uncaughtException", onBug);
  try {
    const deps = { clock: systemClock, random: Math.random, log, hostEnv: process.env };
    worker = await startWorker(deps, config, stopping.signal);
    log.info({ event: "worker.started", config });
    if (stopping.signal.aborted) worker.stop().catch(() => {});
    return await worker.done;
  } catch (error) {
    // Stopped before it had joined: there was nothing to leave.
    if (isPlatformError(error, "cancelled") && stopping.signal.aborted) return 0;
    throw error;
  } finally {
    for (const name of STOP_SIGNALS) process.off(name, onSignal);
    process.off("uncaughtException", onBug);
  }
}
