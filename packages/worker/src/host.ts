import { statfs } from "node:fs/promises";
import { arch, availableParallelism, hostname, totalmem } from "node:os";
import type { Capacity, WorkerFacts } from "@hodei/domain";
import type { WorkerConfig } from "./config.ts";
import { EventLoopDelay } from "./metrics/event-loop-delay.ts";
import {
  type MachineMeasurement,
  MachineMetrics,
  type MachineMetricsDeps,
} from "./metrics/machine-metrics.ts";

/** Largest the contract allows. */
const MAX_CPU_MILLIS = 1_024_000;

export type HostConfig = Pick<
  WorkerConfig,
  | "cpuMillis"
  | "memoryBytes"
  | "gpu"
  | "attemptsMax"
  | "stateDir"
  | "labels"
  | "taints"
  | "minFreeDiskBytes"
  | "metricsTtlMs"
>;

/** The machine as attempts may use it: the configured part, or else the limits of this process. */
export class Host {
  readonly #deps: MachineMetricsDeps;
  readonly #config: HostConfig;
  readonly #metrics: MachineMetrics;
  readonly #eventLoopDelay = new EventLoopDelay();
  #freeDiskBytes = 0;
  #isSamplingDisk = false;

  constructor(deps: MachineMetricsDeps, config: HostConfig) {
    this.#deps = deps;
    this.#config = config;
    this.#metrics = new MachineMetrics(deps, config.metricsTtlMs);
  }

  /** Looks at the disk and the limits for the first time. Rejects if the state directory cannot be looked at. */
  async start(): Promise<void> {
    this.#eventLoopDelay.start();
    await Promise.all([this.#sampleDisk(), this.#metrics.start()]);
    if (this.isDiskLow) this.#logDisk();
  }

  stop(): void {
    this.#eventLoopDelay.stop();
  }

  /**
   * Looks at the disk, and measures the machine if it is time; to be called with each heartbeat, which does not wait for
   * it. Resolves, when the disk was seen, with whether the worker's readiness for attempts has changed by that.
   */
  async look(): Promise<boolean> {
    void this.#metrics.refresh();
    // A network disk may let its callers hang; one of them is enough.
    if (this.#isSamplingDisk) return false;
    const wasLow = this.isDiskLow;
    try {
      await this.#sampleDisk();
    } catch (err) {
      this.#deps.log.warn({ event: "worker.disk_not_sampled", err });
    }
    if (this.isDiskLow === wasLow) return false;
    this.#logDisk();
    return true;
  }

  /** Disk and limits as last seen. */
  get capacity(): Capacity {
    const { cpuMillis, memoryBytes, minFreeDiskBytes } = this.#config;
    const { limits } = this.#metrics;
    // In whole cores, so a quota of less than one is not in it.
    const coresMillis = availableParallelism() * 1000;
    return {
      cpuMillis: Math.min(cpuMillis ?? Math.min(coresMillis, limits.cpuMillis), MAX_CPU_MILLIS),
      memoryBytes: memoryBytes ?? Math.min(totalmem(), limits.memoryBytes),
      diskBytes: Math.max(0, this.#freeDiskBytes - minFreeDiskBytes),
      gpuCount: this.#config.gpu?.count ?? 0,
      attemptCount: this.#config.attemptsMax,
    };
  }

  /** Whether the disk has nothing left for attempts but the reserve. */
  get isDiskLow(): boolean {
    return this.capacity.diskBytes === 0;
  }

  get facts(): Omit<WorkerFacts, "version"> {
    const { labels, gpu } = this.#config;
    const taints = Object.entries(this.#config.taints).map(([key, value]) => ({ key, value }));
    return {
      hostname: hostname(),
      arch: arch(),
      labels,
      taints,
      gpuModel: gpu?.model ?? "",
      capacity: this.capacity,
    };
  }

  /** The last measurement of the machine; `undefined` before the first. */
  get measured(): MachineMeasurement | undefined {
    return this.#metrics.measured;
  }

  /** 99th percentile of how late the event loop was since this was last asked. */
  takeEventLoopDelayMs(): number {
    return this.#eventLoopDelay.takeP99Ms();
  }

  async #sampleDisk(): Promise<void> {
    this.#isSamplingDisk = true;
    try {
      const { bavail, bsize } = await statfs(this.#config.stateDir);
      this.#freeDiskBytes = bavail * bsize;
    } finally {
      this.#isSamplingDisk = false;
    }
  }

  #logDisk(): void {
    const { stateDir, minFreeDiskBytes } = this.#config;
    const facts = { stateDir, freeBytes: this.#freeDiskBytes, minFreeDiskBytes };
    if (this.isDiskLow) this.#deps.log.warn({ event: "worker.disk_low", ...facts });
    else this.#deps.log.info({ event: "worker.disk_freed", ...facts });
  }
}
