import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createClient, type HodeiClient } from "@hodei/sdk";
import { waitFor } from "@hodei/testkit";

/** The command as a user has it. */
export const HODEI: readonly string[] = [
  process.execPath,
  fileURLToPath(new URL("../packages/cli/bin/hodei.mjs", import.meta.url)),
];

const START_TIMEOUT_MS = 60_000;

/** A real `hodei server` with a data folder of its own, to be killed and started again at will. */
export class ServerProcess {
  readonly dataDir: string;
  readonly #folder: string;
  readonly #flags: readonly string[];
  readonly #settings: Readonly<Record<string, string>>;
  #child: ChildProcess | undefined;
  #stderr = "";
  #access:
    | { readonly endpoint: string; readonly token: string; readonly client: HodeiClient }
    | undefined;

  private constructor(
    folder: string,
    flags: readonly string[],
    settings: Readonly<Record<string, string>>,
  ) {
    this.#folder = folder;
    this.dataDir = join(folder, "data");
    this.#flags = flags;
    this.#settings = settings;
  }

  /** `settings`: as variables of the environment. */
  static async create(
    flags: readonly string[],
    settings: Readonly<Record<string, string>> = {},
  ): Promise<ServerProcess> {
    const folder = await mkdtemp(join(tmpdir(), "hodei-e2e-"));
    // As root, the database runs as another user, which must get through here; else it would keep its data elsewhere.
    await chmod(folder, 0o711);
    return new ServerProcess(folder, flags, settings);
  }

  /** Starts it, or starts it again on the same data; resolves when it answers. */
  async start(): Promise<void> {
    this.#stderr = "";
    const [program, ...script] = HODEI as [string, ...string[]];
    const ports = ["--public-port", "0", "--worker-port", "0"];
    const args = [...script, "server", "--data-dir", this.dataDir, ...ports, ...this.#flags];
    args.push("--local-workers-allow-root");
    const env = { ...process.env, ...this.#settings };
    const child = spawn(program, args, { env, stdio: ["ignore", "ignore", "pipe"] });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    this.#child = child;
    const ready = await waitFor(
      () => this.logged("server_ready") ?? (child.exitCode !== null && {}),
      {
        timeoutMs: START_TIMEOUT_MS,
        what: "the server's readiness",
      },
    );
    const { publicUrl } = ready as { readonly publicUrl?: string };
    if (publicUrl === undefined) throw new Error(`the server did not start: ${this.#stderr}`);
    const token = (await readFile(join(this.dataDir, "api-token"), "utf8")).trim();
    this.#access?.client.close();
    const client = createClient({ endpoint: publicUrl, token });
    this.#access = { endpoint: publicUrl, token, client };
  }

  /** Where it is called, with which token, and a client that does so. */
  get access() {
    if (this.#access === undefined) throw new Error("the server was not started");
    return this.#access;
  }

  get client(): HodeiClient {
    return this.access.client;
  }

  /** What it has written since its start. */
  get log(): string {
    return this.#stderr;
  }

  /** Fields of the latest log line of `event`, if there is one. */
  logged(event: string): Record<string, unknown> | undefined {
    const line = this.#stderr
      .split("\n")
      .slice(0, -1)
      .findLast((text) => text.includes(`"event":"${event}"`));
    return line === undefined ? undefined : (JSON.parse(line) as Record<string, unknown>);
  }

  /** Ends the process by `signal` and waits for its end; its children stay as they are. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  }

  /** Ends all that is left: the server, its workers, its database. */
  async dispose(): Promise<void> {
    this.#access?.client.close();
    await this.kill("SIGKILL");
    // An orderly start and stop finds and ends what a killed server left behind.
    const [program, ...script] = HODEI as [string, ...string[]];
    const args = [...script, "server", "--data-dir", this.dataDir, "--public-port", "0"];
    const child = spawn(
      program,
      [...args, "--worker-port", "0", "--local-workers-max", "1", "--local-workers-allow-root"],
      {
        env: { ...process.env, HODEI_SERVER_STOP_WORKERS_ON_EXIT: "true" },
        stdio: ["ignore", "ignore", "pipe"],
      },
    );
    let log = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      log += text;
    });
    await waitFor(() => log.includes("server_ready") || child.exitCode !== null, {
      timeoutMs: START_TIMEOUT_MS,
    });
    if (child.exitCode === null) {
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      await exited;
    }
    await rm(this.#folder, { recursive: true });
  }
}
