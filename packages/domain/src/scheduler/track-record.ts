import type { Worker } from "../worker.ts";

/** How a worker, and the pool that it is of, did of late. What is long ago counts less, so that numbers need not be whole. */
export interface TrackRecord extends MadeWorkers {
  /** Attempts that ended on the worker, however they did. */
  readonly endedCount: number;
  /** Of those, ended by what was the worker's or its machine's fault: `isWorkerFault`. */
  readonly faultCount: number;
  /** From an assignment until the worker told that it runs; `null`: not known. */
  readonly startMs: number | null;
}

/** Of the workers that a provider made for a pool. */
export interface MadeWorkers {
  /** Came up, or are known not to. */
  readonly madeCount: number;
  /** Of those, never came up, or went without being asked to. */
  readonly failedCount: number;
}

/** Of a worker of which nothing is known. */
export const NO_RECORD: TrackRecord = {
  endedCount: 0,
  faultCount: 0,
  startMs: null,
  madeCount: 0,
  failedCount: 0,
};

/** What went wrong is forgiven, not forgotten: in this time it comes to count half as much. */
const HALF_LIFE_MS = 600_000;

/** What is left of something to count after `ageMs`: 1 down to 0. */
export function fadedShare(ageMs: number): number {
  return 0.5 ** (Math.max(0, ageMs) / HALF_LIFE_MS);
}

/** How a pool's `newest` workers did. Those that are still booting say nothing yet. */
export function tallyMade(newest: readonly Worker[], now: Date): MadeWorkers {
  let madeCount = 0;
  let failedCount = 0;
  for (const worker of newest) {
    const decidedAt = worker.terminatedAt ?? worker.connectedAt;
    if (decidedAt === null) continue;
    const isLost = worker.state === "lost";
    const share = isLost ? 1 : fadedShare(now.getTime() - decidedAt.getTime());
    madeCount += share;
    // Who leaves as it should has been asked to before, if only by itself.
    const wentUnasked = worker.terminatedAt !== null && worker.drainRequestedAt === null;
    if (isLost || wentUnasked) failedCount += share;
  }
  return { madeCount, failedCount };
}

/** Good ends that everybody is granted, so that one fault is not all that is known of a new worker. */
const GRANTED_COUNT = 4;

/** A start that takes this long halves the score. */
const HALVING_START_MS = 1_000;

/** Share of attempts that did not fail by the worker's fault: 1 down to 0, and 1 where nothing is known. */
export function successShare({ endedCount, faultCount }: TrackRecord): number {
  return goodShare(endedCount, faultCount);
}

/** The same of the workers that its pool's provider made. */
export function providerShare({ madeCount, failedCount }: TrackRecord): number {
  return goodShare(madeCount, failedCount);
}

/** 1 for a start in no time, 1/2 for one second, 1/4 for three; 1 where nothing is known, so that a new worker is tried. */
export function startScore({ startMs }: TrackRecord): number {
  return startMs === null ? 1 : HALVING_START_MS / (HALVING_START_MS + startMs);
}

function goodShare(count: number, badCount: number): number {
  return (count - badCount + GRANTED_COUNT) / (count + GRANTED_COUNT);
}
