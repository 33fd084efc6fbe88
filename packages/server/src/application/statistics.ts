import type { JobId } from "@hodei/domain";

/** Upper bounds of the buckets in milliseconds; what took longer falls into one more. */
const BOUNDS_MS: readonly number[] = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000,
];

/** Longest that the commit of a new job, which is due from when it was made, counts as its way to the scheduler. */
const COMMIT_MS = 1_000;

export interface DurationSummary {
  readonly count: number;
  /** Upper bounds of the buckets in which half and 99 % of the durations end; `null` without any, or beyond the last. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly maxMs: number;
}

/** A histogram of durations in a fixed number of buckets, however many there are. */
export class Durations {
  readonly #counts = new Array<number>(BOUNDS_MS.length + 1).fill(0);
  #count = 0;
  #maxMs = 0;

  /** Clocks of servers differ a little: less than nothing counts as nothing. */
  add(ms: number): void {
    const found = BOUNDS_MS.findIndex((bound) => ms <= bound);
    const bucket = found < 0 ? BOUNDS_MS.length : found;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#count += 1;
    this.#maxMs = Math.max(this.#maxMs, ms);
  }

  summarize(): DurationSummary {
    return {
      count: this.#count,
      p50Ms: this.#quantileMs(0.5),
      p99Ms: this.#quantileMs(0.99),
      maxMs: this.#maxMs,
    };
  }

  #quantileMs(share: number): number | null {
    let counted = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      counted += count;
      if (counted > 0 && counted >= share * this.#count) return BOUNDS_MS[bucket] ?? null;
    }
    return null;
  }
}

/** What this replica has counted since its start; told in its log when it stops. */
export class Statistics {
  /** From when a job is due, at the earliest its commit, until the scheduler has seen it. */
  readonly discovery = new Durations();
  /** Results of attempts that were not the current ones, and were refused. */
  lateResultCount = 0;
  /** Workers and attempts that the scheduler's snapshot had otherwise than the database, without any event that tells of it. */
  driftCount = 0;
  #lastTurn: { readonly at: Date; readonly jobIds: ReadonlySet<JobId> } | undefined;

  /**
   * A turn of the scheduler that began at `turnAt` has seen at `now` these waiting jobs; each counts in the first turn
   * that sees it. Those that come back from a worker, or were not among the most urgent before, count no more: they were
   * due long before.
   */
  noteSeen(
    jobs: readonly { readonly jobId: JobId; readonly dueSince: Date }[],
    { turnAt, now }: { readonly turnAt: Date; readonly now: Date },
  ): void {
    const last = this.#lastTurn;
    this.#lastTurn = { at: turnAt, jobIds: new Set(jobs.map(({ jobId }) => jobId)) };
    // What waited before the first turn was discovered by whoever led before.
    if (last === undefined) return;
    const oldestMs = last.at.getTime() - COMMIT_MS;
    for (const { jobId, dueSince } of jobs) {
      if (last.jobIds.has(jobId) || dueSince.getTime() < oldestMs) continue;
      this.discovery.add(now.getTime() - dueSince.getTime());
    }
  }
}
