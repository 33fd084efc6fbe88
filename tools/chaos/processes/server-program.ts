import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createClient, type HodeiClient } from "@hodei/sdk";
import type { Target } from "@hodei/testkit";
import { Program } from "./program.ts";

export interface ServerOptions {
  readonly name: string;
  /** Folder of the run. */
  readonly folder: string;
  /** Default: in its data folder. */
  readonly apiTokenFile?: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Includes the wait for a database that is away. */
const READY_LIMIT_MS = 90_000;
/** What a server says that ends because of it. */
const DATABASE_AWAY = "hodei: the database cannot be reached";
const RESTART_PAUSE_MS = 500;

/** A server replica. Its ports stay the same over restarts. */
export class ServerProgram {
  readonly program: Program;
  readonly dataDir: string;
  readonly #apiTokenFile: string;
  #publicUrl = "";
  #workerPort = 0;

  constructor({ name, folder, apiTokenFile, args, env = {} }: ServerOptions) {
    this.dataDir = join(folder, name);
    this.#apiTokenFile = apiTokenFile ?? join(this.dataDir, "api-token");
    const flags = ["--data-dir", this.dataDir, "--public-port", "0", "--worker-port", "0"];
    const logFile = join(folder, "logs", `${name}.log`);
    this.program = new Program({ name, logFile, args: ["server", ...flags, ...args], env });
  }

  get name(): string {
    return this.program.name;
  }

  /** Resolves when it answers. If its database goes away meanwhile it is started again, as a process manager does. */
  async start(): Promise<void> {
    await this.program.start();
    const ready = await this.program
      .untilLogged("server_ready", READY_LIMIT_MS)
      .catch(async (error: unknown) => {
        if (this.program.isRunning || !(await this.program.hasLogged(DATABASE_AWAY))) throw error;
        this.program.forgiveEnd();
        return undefined;
      });
    if (ready === undefined) {
      await delay(RESTART_PAUSE_MS);
      return this.start();
    }
    const { publicUrl, workerUrl } = ready;
    this.#publicUrl = String(publicUrl);
    this.#workerPort = Number(new URL(String(workerUrl)).port);
  }

  /** Where its workers find it; `undefined` before its first start. */
  get workerTarget(): Target | undefined {
    return this.#workerPort === 0 ? undefined : { host: "127.0.0.1", port: this.#workerPort };
  }

  /** With a connection of its own, to be closed by the caller. */
  async connect(timeoutMs: number): Promise<HodeiClient> {
    const token = (await readFile(this.#apiTokenFile, "utf8")).trim();
    return createClient({ endpoint: this.#publicUrl, token, timeoutMs });
  }
}
