import { statfs } from "node:fs/promises";
import { arch, availableParallelism, freemem, hostname, loadavg, totalmem } from "node:os";
import { availableMemory, constrainedMemory } from "node:process";
import type { Capacity, WorkerFacts } from "@hodei/domain";
import type { WorkerConfig } from "./config.ts";

/** Largest the contract allows. */
const MAX_CPU_MILLIS = 1_024_000;

/** The machine as attempts may use it: the configured part, or else the limits of this process. */
export class Host {
  readonly #config: Pick<WorkerConfig, "cpuMillis" | "memoryBytes" | "stateDir" | "labels">;
  #diskBytes = 0;

  constructor(config: Pick<WorkerConfig, "cpuMillis" | "memoryBytes" | "stateDir" | "labels">) {
    this.#config = config;
  }

  /** Looks at the disk. Apart from everything else, because a network disk may let its callers hang. */
  async sampleDisk(): Promise<void> {
    const { bavail, bsize } = await statfs(this.#config.stateDir);
    this.#diskBytes = bavail * bsize;
  }

  /** Disk as last sampled. */
  get capacity(): Capacity {
    const cpuMillis = this.#config.cpuMillis ?? availableParallelism() * 1000;
    return {
      cpuMillis: Math.min(cpuMillis, MAX_CPU_MILLIS),
      // Without a control group's limit the second is 0 or beyond every machine.
      memoryBytes:
        this.#config.memoryBytes ?? Math.min(totalmem(), constrainedMemory() || totalmem()),
      diskBytes: this.#diskBytes,
    };
  }

  get facts(): Omit<WorkerFacts, "version"> {
    const { labels } = this.#config;
    return { hostname: hostname(), arch: arch(), labels, capacity: this.capacity };
  }

  /** Averages over 1, 5 and 15 minutes. */
  get load(): number[] {
    return loadavg();
  }

  get memoryAvailableBytes(): number {
    return Math.min(freemem(), availableMemory());
  }
}
