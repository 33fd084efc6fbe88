import type pg from "pg";
import { percentile } from "../statistics.ts";
import { readTableSizes, type TableName, type TableSize } from "./table-sizes.ts";

/** How things stood when so many jobs had ended. Field names are those of the JSON file. */
export interface Sample {
  readonly endedCount: number;
  /** Since the sample before. */
  readonly jobsPerSecond: number;
  /** Of the jobs that ended since the sample before, from the call that submitted them to their stored end. */
  readonly lifeP50Ms: number;
  readonly lifeP99Ms: number;
  readonly tables: Readonly<Record<TableName, TableSize>>;
}

export interface SamplerOptions {
  readonly database: pg.Client;
  /** Jobs between two samples. */
  readonly everyCount: number;
  readonly onSample: (sample: Sample) => void;
}

/** Counts jobs that end and takes a sample every so many; what ends while one is being taken counts to the next. */
export class Sampler {
  readonly #options: SamplerOptions;
  #livesMs: number[] = [];
  #endedCount = 0;
  #sinceMs = performance.now();
  #sampling: Promise<void> = Promise.resolve();

  constructor(options: SamplerOptions) {
    this.#options = options;
  }

  count(lifeMs: number): void {
    this.#livesMs.push(lifeMs);
    this.#endedCount += 1;
    if (this.#endedCount % this.#options.everyCount !== 0) return;
    const livesMs = this.#livesMs;
    this.#livesMs = [];
    const nowMs = performance.now();
    const elapsedMs = nowMs - this.#sinceMs;
    this.#sinceMs = nowMs;
    const part = {
      endedCount: this.#endedCount,
      jobsPerSecond: (livesMs.length * 1_000) / elapsedMs,
      lifeP50Ms: percentile(livesMs, 0.5),
      lifeP99Ms: percentile(livesMs, 0.99),
    };
    this.#sampling = this.#sampling.then(() => this.#take(part));
    // Whoever waits for `done` hears of it.
    this.#sampling.catch(() => {});
  }

  /** When every sample has been taken. */
  done(): Promise<void> {
    return this.#sampling;
  }

  async #take(part: Omit<Sample, "tables">): Promise<void> {
    const tables = await readTableSizes(this.#options.database);
    this.#options.onSample({ ...part, tables });
  }
}
