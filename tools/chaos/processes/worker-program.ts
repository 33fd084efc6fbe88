import { join } from "node:path";
import { Program } from "./program.ts";

export interface WorkerOptions {
  readonly name: string;
  /** Folder of the run. */
  readonly folder: string;
  /** Port of 127.0.0.1 behind which it finds its server. */
  readonly serverPort: number;
  readonly cpuMillis: number;
  readonly memoryBytes: number;
  /** Disk for log of one attempt that is not stored yet. */
  readonly spoolAttemptBytes: number;
  readonly spoolBytes: number;
}

/** Few enough that a fork bomb does not slow the machine down, and enough for every other job. */
const ATTEMPT_PIDS_MAX = 96;

/** A worker that joined with a token, on a state directory that it keeps over restarts. */
export class WorkerProgram {
  readonly program: Program;
  readonly stateDir: string;

  constructor({ name, folder, ...options }: WorkerOptions) {
    this.stateDir = join(folder, name);
    this.program = new Program({
      name,
      logFile: join(folder, "logs", `${name}.log`),
      args: ["worker"],
      env: {
        HODEI_WORKER_SERVER_URL: `https://127.0.0.1:${options.serverPort}`,
        HODEI_WORKER_STATE_DIR: this.stateDir,
        HODEI_WORKER_ALLOW_ROOT: "true",
        HODEI_WORKER_CPU_MILLIS: String(options.cpuMillis),
        HODEI_WORKER_MEMORY_BYTES: String(options.memoryBytes),
        HODEI_WORKER_ATTEMPT_PIDS_MAX: String(ATTEMPT_PIDS_MAX),
        HODEI_WORKER_LOG_SPOOL_ATTEMPT_BYTES: String(options.spoolAttemptBytes),
        HODEI_WORKER_LOG_SPOOL_BYTES: String(options.spoolBytes),
      },
    });
  }

  get name(): string {
    return this.program.name;
  }
}
