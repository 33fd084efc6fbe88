import type { WorkerMetrics } from "@hodei/domain";
import type { Logger } from "pino";
import type { WorkerClock } from "../clock.ts";
import { type CgroupLimits, NO_LIMITS } from "./cgroup-limits.ts";
import { utilization } from "./cpu-times.ts";
import { type MachineReading, readMachine, readUse, type UseReading } from "./read-machine.ts";

/** What is measured of the machine; the rest of the metrics is the worker's own. */
export type MachineMeasurement = Omit<WorkerMetrics, "droppedLogBytes" | "eventLoopDelayMs">;

export interface MachineMetricsDeps {
  readonly clock: WorkerClock;
  readonly log: Logger;
}

/**
 * The last measurement of the machine. Whoever wants one gets it at once; a new one is made beside, when the last is
 * older than its time to live, and never two at the same time.
 */
export class MachineMetrics {
  readonly #deps: MachineMetricsDeps;
  readonly #ttlMs: number;
  #previous: UseReading | undefined;
  #measured: MachineMeasurement | undefined;
  #measuredAtMs = Number.NEGATIVE_INFINITY;
  #underWay: Promise<void> | undefined;

  constructor(deps: MachineMetricsDeps, ttlMs: number) {
    this.#deps = deps;
    this.#ttlMs = ttlMs;
  }

  /** Reads the limits, and what the first measurement compares with. Does not wait for disks; a failure is logged. */
  async start(): Promise<void> {
    try {
      this.#previous = await readUse();
    } catch (err) {
      this.#logFailure(err);
    }
  }

  /** `undefined` before the first. */
  get measured(): MachineMeasurement | undefined {
    return this.#measured;
  }

  /** As last read. */
  get limits(): CgroupLimits {
    return this.#previous?.limits ?? NO_LIMITS;
  }

  /** Measures if it is time. Resolves when that, or what is under way already, is done; a failure is logged. */
  refresh(): Promise<void> {
    const ageMs = this.#deps.clock.monotonicMs() - this.#measuredAtMs;
    if (ageMs < this.#ttlMs) return Promise.resolve();
    this.#underWay ??= this.#measure().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  async #measure(): Promise<void> {
    try {
      const reading = await readMachine();
      this.#measured = toMeasurement(this.#previous ?? reading, reading);
      this.#previous = reading;
      this.#measuredAtMs = this.#deps.clock.monotonicMs();
    } catch (err) {
      this.#logFailure(err);
    }
  }

  #logFailure(err: unknown): void {
    this.#deps.log.warn({ event: "worker.machine_not_measured", err });
  }
}

function toMeasurement(previous: UseReading, reading: MachineReading): MachineMeasurement {
  const { load, memoryAvailableBytes, disks, network } = reading;
  return {
    cpuUtilization: utilization(previous.cpu, reading.cpu),
    load,
    memoryAvailableBytes,
    disks,
    networkReceivedBytes: network.receivedBytes,
    networkSentBytes: network.sentBytes,
  };
}
