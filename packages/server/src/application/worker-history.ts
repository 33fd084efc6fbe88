import {
  type AttemptTally,
  fadedShare,
  type MadeWorkers,
  type TrackRecord,
  tallyMade,
  type Worker,
  type WorkerId,
} from "@hodei/domain";
import type { Deps } from "./deps.ts";
import { JOINED_PROVIDER } from "./joined.ts";
import { NEWEST_COUNT } from "./provision-workers.ts";

/** What ended less than this long ago counts the next time: its commit may not be there yet. */
const COMMIT_MS = 2_000;

/** Of the attempts of one worker; counts fade, so they need not be whole. */
interface Remembered {
  readonly endedCount: number;
  readonly faultCount: number;
  /** Ended attempts that had started, and how long that took all of them together. */
  readonly startedCount: number;
  readonly startMsSum: number;
  readonly lastAssignedAt: Date;
}

/**
 * How the workers did of late, for scorers. In memory, an entry for each live worker and pool: a replica that has just started knows of
 * the attempts that have not moved out of the way yet, which is the last minute, and of the pools all.
 */
export class WorkerHistory {
  #workers: ReadonlyMap<WorkerId, Remembered> = new Map();
  /** By `poolKey`. */
  #pools: ReadonlyMap<string, MadeWorkers> = new Map();
  /** Up to when ended attempts have been counted. */
  #countedUntil = new Date(0);

  /** Counts what has ended since the last time. If it fails, the next time makes up for it. */
  async observe({ database, clock }: Pick<Deps, "database" | "clock">): Promise<void> {
    const { attempts, workers } = database.readers;
    const now = clock.now();
    const until = new Date(now.getTime() - COMMIT_MS);
    const live = await workers.listLive();
    const tallies = await attempts.tally(this.#countedUntil, until);
    const pools = new Map<string, MadeWorkers>();
    for (const worker of live) {
      const key = poolKey(worker);
      // Nobody made those that joined by themselves.
      if (worker.provider === JOINED_PROVIDER || pools.has(key)) continue;
      const pool = { name: worker.pool, provider: worker.provider };
      pools.set(key, tallyMade(await workers.listNewest(pool, NEWEST_COUNT), now));
    }
    this.#remember(live, tallies, fadedShare(until.getTime() - this.#countedUntil.getTime()));
    this.#pools = pools;
    this.#countedUntil = until;
  }

  recordOf(worker: Pick<Worker, "id" | "pool" | "provider">): TrackRecord {
    const { endedCount, faultCount, startedCount, startMsSum } =
      this.#workers.get(worker.id) ?? NOTHING;
    const startMs = startedCount === 0 ? null : startMsSum / startedCount;
    const made = this.#pools.get(poolKey(worker)) ?? NONE_MADE;
    return { endedCount, faultCount, startMs, ...made };
  }

  /** When the worker was last given an attempt, as far as this replica has seen. */
  lastAssignedAt(id: WorkerId): Date | undefined {
    return this.#workers.get(id)?.lastAssignedAt;
  }

  /** Adds `tallies` to `share` of what was known of the workers that are live. */
  #remember(live: readonly Worker[], tallies: readonly AttemptTally[], share: number): void {
    const added = new Map(tallies.map((tally) => [tally.workerId, tally]));
    const workers = new Map<WorkerId, Remembered>();
    for (const { id } of live) {
      const [before, tally] = [this.#workers.get(id), added.get(id)];
      const lastAssignedAt = tally?.lastAssignedAt ?? before?.lastAssignedAt;
      if (lastAssignedAt === undefined) continue;
      const { endedCount, faultCount, startedCount, startMsSum } = before ?? NOTHING;
      workers.set(id, {
        endedCount: endedCount * share + (tally?.endedCount ?? 0),
        faultCount: faultCount * share + (tally?.faultCount ?? 0),
        startedCount: startedCount * share + (tally?.startedCount ?? 0),
        startMsSum: startMsSum * share + (tally?.startedCount ?? 0) * (tally?.startMs ?? 0),
        lastAssignedAt,
      });
    }
    this.#workers = workers;
  }
}

const NOTHING = { endedCount: 0, faultCount: 0, startedCount: 0, startMsSum: 0 };

const NONE_MADE: MadeWorkers = { madeCount: 0, failedCount: 0 };

const poolKey = ({ pool, provider }: Pick<Worker, "pool" | "provider">): string =>
  JSON.stringify([pool, provider]);
