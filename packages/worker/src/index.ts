export { systemClock, type WorkerClock } from "./clock.ts";
export { loadWorkerConfig, type WorkerConfig, type WorkerOptions } from "./config.ts";
export { runWorker } from "./main.ts";
export { createRedactor } from "./redaction/redactor.ts";
export { Secret } from "./secret.ts";
export { type StartWorkerDeps, startWorker } from "./start-worker.ts";
export type { RunningWorker } from "./worker.ts";
