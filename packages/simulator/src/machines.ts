import {
  type Capacity,
  DEFAULT_TENANT_ID,
  isPlatformError,
  PlatformError,
  type ProvisionRequest,
  type WorkerId,
} from "@hodei/domain";
import { createJoinToken, JOINED_POOL, registerWorker } from "@hodei/server/application";
import type { FakeProvider } from "@hodei/testkit";
import type { Cluster } from "./cluster.ts";
import type { RandomStream } from "./random.ts";
import type { SimulatedNetwork } from "./simulated-network.ts";
import { SimulatedWorker } from "./simulated-worker.ts";
import type { World } from "./world.ts";

const BOOT_MIN_MS = 200;
const BOOT_MAX_MS = 3_000;
const TRY_AGAIN_MS = 1_000;
const JOIN_TOKEN_TTL_MS = 3_600_000;

const OPERATOR = {
  name: "operator",
  tenantId: DEFAULT_TENANT_ID,
  requestId: "request",
  correlationId: "simulated",
};

/** How a registration went; `refused` is final, whatever was asked before may have been done. */
type Registration = { readonly workerId: WorkerId } | "refused" | "gone";

/** The machines on which workers run: those of the provider, and those that join by themselves. */
export class Machines {
  readonly #world: World;
  readonly #cluster: Cluster;
  readonly #network: SimulatedNetwork;
  readonly #provider: FakeProvider;
  readonly #provided: Map<WorkerId, "alive" | "dead">;
  readonly #random: RandomStream;
  readonly #workers = new Map<WorkerId, SimulatedWorker>();

  constructor(
    world: World,
    parts: {
      readonly cluster: Cluster;
      readonly network: SimulatedNetwork;
      readonly provider: FakeProvider;
      readonly provided: Map<WorkerId, "alive" | "dead">;
    },
  ) {
    this.#world = world;
    this.#cluster = parts.cluster;
    this.#network = parts.network;
    this.#provider = parts.provider;
    this.#provided = parts.provided;
    this.#random = world.random.split("machines");
  }

  /** Workers whose process lives. */
  get workers(): readonly SimulatedWorker[] {
    return [...this.#workers.values()].filter(({ isUp }) => isUp);
  }

  /** Starts the workers that join by themselves. */
  start(): void {
    for (const capacity of this.#world.scenario.joined) {
      this.#world.follow("machine", this.#join(capacity));
    }
  }

  /** The provider has made a machine: it boots, registers and connects. */
  provisioned({ workerId, pool, joinToken }: ProvisionRequest): void {
    const { clock, history, scenario, trace } = this.#world;
    const count = [...this.#provided.values()].filter((state) => state === "alive").length;
    history.poolSizes.push({ atMs: clock.elapsedMs, pool, count });
    trace.add(
      "provider",
      `makes machine ${count} of at most ${scenario.pool.maxWorkers}`,
      workerId,
    );
    this.#world.follow("machine", this.#bootProvided(workerId, joinToken));
  }

  /** The provider's machine is gone, with all it ran. */
  ended(workerId: WorkerId): void {
    this.#world.trace.add("provider", "has no such machine any more", workerId);
    this.#workers.get(workerId)?.end();
  }

  /** Ends the worker's machine for good. */
  kill(worker: SimulatedWorker): void {
    this.#provider.kill(worker.workerId);
    worker.end();
  }

  /** Crashes the worker's process; it is started again in `downMs`. */
  restart(worker: SimulatedWorker, downMs: number): void {
    worker.crash();
    this.#world.clock.schedule(downMs, () => worker.start());
  }

  /** The provider fails its next call. */
  failProvider(): void {
    this.#provider.failNext(new PlatformError("unavailable", "simulated_fault", "out of order"));
  }

  async #bootProvided(workerId: WorkerId, joinToken: string): Promise<void> {
    const isAlive = () => this.#provided.get(workerId) === "alive";
    await this.#world.clock.sleep(this.#random.integer(BOOT_MIN_MS, BOOT_MAX_MS));
    const registration = await this.#register(joinToken, isAlive);
    if (registration === "refused") this.#provider.kill(workerId);
    else if (registration !== "gone" && isAlive()) {
      this.#startWorker(workerId, this.#world.scenario.pool.template.capacity);
    }
  }

  async #join(capacity: Capacity): Promise<void> {
    for (;;) {
      const joinToken = await this.#newJoinToken();
      const registration = await this.#register(joinToken, () => true);
      if (registration === "gone" || registration === "refused") continue;
      return this.#startWorker(registration.workerId, capacity);
    }
  }

  async #newJoinToken(): Promise<string> {
    for (;;) {
      try {
        const request = { pool: JOINED_POOL, ttlMs: JOIN_TOKEN_TTL_MS };
        const { token } = await this.#cluster.call((deps) =>
          createJoinToken(deps, OPERATOR, request),
        );
        return token;
      } catch (error) {
        if (!isPlatformError(error, "unavailable")) throw error;
        await this.#world.clock.sleep(TRY_AGAIN_MS);
      }
    }
  }

  async #register(joinToken: string, isAlive: () => boolean): Promise<Registration> {
    const certificateRequest = new Uint8Array(0);
    while (isAlive()) {
      try {
        return await this.#cluster.call((deps) =>
          registerWorker(deps, { joinToken, certificateRequest }),
        );
      } catch (error) {
        if (isPlatformError(error, "unauthenticated")) return "refused";
        if (!isPlatformError(error, "unavailable")) throw error;
        await this.#world.clock.sleep(TRY_AGAIN_MS);
      }
    }
    return "gone";
  }

  #startWorker(workerId: WorkerId, capacity: Capacity): void {
    const network = this.#network;
    const onExit = () => this.#provider.kill(workerId);
    const worker = new SimulatedWorker(this.#world, { workerId, capacity, network, onExit });
    this.#workers.set(workerId, worker);
    worker.start();
  }
}
