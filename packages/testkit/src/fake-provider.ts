import type { Machine, Provider, ProvisionRequest, WorkerId } from "@hodei/domain";

export interface FakeProviderOptions {
  /** Default: `fake`. */
  readonly name?: string;
  /** Alive or dead, by worker. Give two providers the same to play a restart of the server. Default: none yet. */
  readonly machines?: Map<WorkerId, "alive" | "dead">;
  /** A machine has been made: the place to start a simulated worker. */
  readonly onProvision?: (request: ProvisionRequest) => void;
  /** A live machine has been destroyed or killed. */
  readonly onEnd?: (workerId: WorkerId) => void;
}

/** A provider without machines: in memory, in order, never late. Passes the provider contract. */
export class FakeProvider implements Provider {
  readonly name: string;
  readonly #machines: Map<WorkerId, "alive" | "dead">;
  readonly #options: FakeProviderOptions;
  readonly #failures: Error[] = [];

  constructor(options: FakeProviderOptions = {}) {
    this.name = options.name ?? "fake";
    this.#machines = options.machines ?? new Map();
    this.#options = options;
  }

  async provision(request: ProvisionRequest): Promise<void> {
    this.#failIfTold();
    if (this.#machines.has(request.workerId)) return;
    this.#machines.set(request.workerId, "alive");
    this.#options.onProvision?.(request);
  }

  async destroy(workerId: WorkerId): Promise<void> {
    this.#failIfTold();
    const wasAlive = this.#machines.get(workerId) === "alive";
    this.#machines.delete(workerId);
    if (wasAlive) this.#options.onEnd?.(workerId);
  }

  async list(): Promise<readonly Machine[]> {
    this.#failIfTold();
    return [...this.#machines].map(([workerId, state]) => ({ workerId, alive: state === "alive" }));
  }

  /** Lets a machine die by itself. Unknown or dead already: nothing happens. */
  kill(workerId: WorkerId): void {
    if (this.#machines.get(workerId) !== "alive") return;
    this.#machines.set(workerId, "dead");
    this.#options.onEnd?.(workerId);
  }

  /** Makes the next call that has no failure in store yet reject with `error`, without any effect. */
  failNext(error: Error): void {
    this.#failures.push(error);
  }

  #failIfTold(): void {
    const failure = this.#failures.shift();
    if (failure !== undefined) throw failure;
  }
}
