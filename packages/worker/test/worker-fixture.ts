import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import type { Environment } from "../src/attempt-environment.ts";
import { systemClock } from "../src/clock.ts";
import { loadWorkerConfig, type WorkerOptions } from "../src/config.ts";
import { startWorker } from "../src/start-worker.ts";
import type { RunningWorker } from "../src/worker.ts";
import { TestServer } from "./test-server.ts";

/** A server and the workers that join it, each test its own. */
export class WorkerFixture {
  readonly server = new TestServer();
  readonly stateDir: string;
  readonly #hostEnv: Environment;
  readonly #workers: RunningWorker[] = [];
  /** Log lines of the workers. */
  readonly logged: { event: string; message?: string }[] = [];

  private constructor(stateDir: string, hostEnv: Environment) {
    this.stateDir = stateDir;
    this.#hostEnv = hostEnv;
  }

  /** Listens already. `hostEnv`: the environment of the workers. */
  static async create(hostEnv: Environment): Promise<WorkerFixture> {
    const stateDir = await mkdtemp(join(tmpdir(), "hodei-worker-test-"));
    const fixture = new WorkerFixture(stateDir, hostEnv);
    await fixture.server.start();
    return fixture;
  }

  /** A worker that reconnects at once, so that tests need not wait. */
  async startWorker(options: WorkerOptions = {}): Promise<RunningWorker> {
    const log = pino(
      { level: "debug" },
      { write: (line) => void this.logged.push(JSON.parse(line)) },
    );
    const { url: serverUrl, joinToken } = this.server;
    const config = loadWorkerConfig(
      {},
      { serverUrl, joinToken, stateDir: this.stateDir, allowRoot: true, ...options },
    );
    const deps = { clock: systemClock, random: () => 0.01, log, hostEnv: this.#hostEnv };
    const worker = await startWorker(deps, config, new AbortController().signal);
    this.#workers.push(worker);
    return worker;
  }

  hasLogged(event: string): boolean {
    return this.logged.some((line) => line.event === event);
  }

  async close(): Promise<void> {
    for (const worker of this.#workers) {
      worker.kill();
      await worker.done;
    }
    await this.server.stop();
    await rm(this.stateDir, { recursive: true, force: true });
  }
}
