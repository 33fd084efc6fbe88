import type { Hello, WorkerId } from "@hodei/domain";
import { NetworkStream, type WorkerEnd } from "./network-stream.ts";
import type { Replica } from "./replica.ts";
import type { World } from "./world.ts";

/** How long a worker waits for a connection that nobody answers. */
const CONNECT_TIMEOUT_MS = 500;

/** Carries sessions between workers and replicas. A worker is given to any replica that listens. */
export class SimulatedNetwork {
  readonly #world: World;
  readonly #replicas: () => readonly Replica[];
  #streamCount = 0;

  constructor(world: World, replicas: () => readonly Replica[]) {
    this.#world = world;
    this.#replicas = replicas;
  }

  /** The worker hears what became of it through `workerEnd`. */
  connect(facts: {
    readonly workerId: WorkerId;
    readonly hello: Hello;
    readonly workerEnd: WorkerEnd;
  }): NetworkStream {
    this.#streamCount += 1;
    const { clock } = this.#world;
    const random = this.#world.random.split(`stream/${this.#streamCount}`);
    const stream = new NetworkStream({ clock, random }, facts);
    clock.schedule(random.integer(2, 20), () => {
      const replica = random.pick(this.#replicas());
      if (replica !== undefined) this.#world.follow(replica.name, replica.serve(stream));
      else clock.schedule(CONNECT_TIMEOUT_MS, () => stream.reset());
    });
    return stream;
  }
}
