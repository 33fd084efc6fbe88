import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, type HodeiClient } from "@hodei/sdk";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "@hodei/server/embedded-postgres";
import { type ServerProcess, startServer } from "../../server-process.ts";
import { startWorker, type WorkerProcess } from "../../worker-process.ts";
import { type Balancer, openBalancer } from "./balancer.ts";

const WORKER_COUNT = 2;

/** One server, and how to speak with it. */
interface Replica {
  readonly process: ServerProcess;
  readonly client: HodeiClient;
}

/** A database, one server that workers have sessions with, a second one, and two workers, all processes of their own. */
export class Cluster {
  readonly #folder: string;
  readonly #signal: AbortSignal;
  readonly #balancer: Balancer;
  readonly #replicas: Replica[] = [];
  readonly #workers = new Map<string, WorkerProcess>();
  #postgres: EmbeddedPostgres | undefined;
  #startedCount = 0;

  private constructor(folder: string, balancer: Balancer, signal: AbortSignal) {
    this.#folder = folder;
    this.#balancer = balancer;
    this.#signal = signal;
  }

  /** Runs `work` with a new cluster and removes it afterwards, with all its files. */
  static async with<T>(signal: AbortSignal, work: (cluster: Cluster) => Promise<T>): Promise<T> {
    const folder = await mkdtemp(join(tmpdir(), "hodei-bench-recovery-"));
    const cluster = new Cluster(folder, await openBalancer(), signal);
    try {
      // PostgreSQL does not run as root; its own account must be able to reach its folder.
      await chmod(folder, 0o711);
      await cluster.startPostgres();
      await cluster.#addReplica();
      await cluster.#addReplica();
      while (cluster.#workers.size < WORKER_COUNT) await cluster.#addWorker();
      return await work(cluster);
    } finally {
      await cluster.#end();
    }
  }

  /** Of the server that workers have sessions with. */
  get client(): HodeiClient {
    return this.#active.client;
  }

  get workerIds(): readonly string[] {
    return [...this.#workers.keys()];
  }

  /** SIGKILL; resolves when it is dead. */
  async killWorker(workerId: string): Promise<void> {
    await this.#workers.get(workerId)?.kill();
    this.#workers.delete(workerId);
  }

  /** Another one takes the place of a worker that was killed. */
  replaceWorker(): Promise<void> {
    return this.#addWorker();
  }

  /** SIGKILL for the server that workers have sessions with; they are to find the other one. */
  async killReplica(): Promise<void> {
    const dead = this.#replicas.shift();
    this.#direct();
    await dead?.process.kill();
    dead?.client.close();
  }

  /** Another one takes the place of a server that was killed. */
  replaceReplica(): Promise<void> {
    return this.#addReplica();
  }

  async stopPostgres(): Promise<void> {
    await this.#postgres?.stop();
    this.#postgres = undefined;
  }

  /** Resolves when it takes connections. */
  async startPostgres(): Promise<void> {
    this.#postgres = await startEmbeddedPostgres({ dataDir: join(this.#folder, "postgres") });
  }

  get #active(): Replica {
    const [active] = this.#replicas;
    if (active === undefined) throw new Error("there is always a server");
    return active;
  }

  #direct(): void {
    this.#balancer.direct(Number(new URL(this.#active.process.workerUrl).port));
  }

  async #addReplica(): Promise<void> {
    if (this.#postgres === undefined) throw new Error("the database comes first");
    const shared = join(this.#folder, "shared");
    this.#startedCount += 1;
    const process = await startServer({
      dataDir: join(this.#folder, `server-${this.#startedCount}`),
      databaseUrl: this.#postgres.databaseUrl,
      settings: {
        HODEI_SERVER_CA_DIR: `${shared}-ca`,
        HODEI_SERVER_API_TOKEN_FILE: `${shared}-token`,
        HODEI_SERVER_SECRET_KEY_FILE: `${shared}-key`,
      },
      signal: this.#signal,
    });
    const client = createClient({ endpoint: process.publicUrl, token: process.token });
    this.#replicas.push({ process, client });
    this.#direct();
  }

  async #addWorker(): Promise<void> {
    const { joinToken } = await this.client.workers.createJoinToken({});
    this.#startedCount += 1;
    const worker = await startWorker({
      stateDir: join(this.#folder, `worker-${this.#startedCount}`),
      workerUrl: `https://127.0.0.1:${this.#balancer.port}`,
      joinToken,
      signal: this.#signal,
    });
    this.#workers.set(worker.id, worker);
  }

  async #end(): Promise<void> {
    for (const worker of this.#workers.values()) await worker.stop();
    for (const { process, client } of this.#replicas) {
      client.close();
      await process.stop();
    }
    this.#balancer.close();
    await this.stopPostgres();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
