import type { EventRecord, HeldAttempt, JobId, Logger, Readers, Worker } from "@hodei/domain";
import { type Cluster, type ClusterDeps, toCluster } from "./hosts.ts";
import type { Settings } from "./settings.ts";
import type { Signals } from "./signals.ts";
import type { Statistics } from "./statistics.ts";

export interface ClusterSnapshotDeps extends Omit<ClusterDeps, "settings"> {
  readonly signals: Pick<Signals, "follow">;
  readonly readers: {
    readonly workers: Pick<Readers["workers"], "listLive">;
    readonly jobs: Pick<Readers["jobs"], "listHeld" | "findHeld">;
  };
  readonly settings: ClusterDeps["settings"] & Pick<Settings, "pollIntervalMs">;
  readonly statistics: Pick<Statistics, "driftCount">;
  readonly log: Pick<Logger, "warn">;
}

/** Changed jobs beyond which all that is held is read at once. */
const CHANGED_MAX = 1_000;

/**
 * Workers and what is taken of them, kept in memory for the loops of the leader, as `DueJobs` keeps what waits: built from the
 * database, fed by events, and read whole again once in each poll interval. So a decision on it is stored only if it still
 * holds. What a whole reading finds otherwise than it was here, and no event tells of within another interval, is drift.
 */
export class ClusterSnapshot {
  readonly #deps: ClusterSnapshotDeps;
  #workers: readonly Worker[] = [];
  #held = new Map<JobId, HeldAttempt>();
  #haveWorkersChanged = false;
  /** Jobs that may hold something since they were read, or nothing any more. */
  readonly #changed = new Set<JobId>();
  /** Of the last time that all were read; -∞: they have to be, and may differ. */
  #readAllAtMs = Number.NEGATIVE_INFINITY;
  /** Ids of what the last whole reading found otherwise. */
  #suspects = new Set<string>();
  /** Settles when the latest reading has ended; one reads at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(deps: ClusterSnapshotDeps) {
    this.#deps = deps;
    deps.signals.follow({
      committed: (events) => this.#note(events),
      changedElsewhere: () => this.forget(),
    });
  }

  /** Lets the next `read` read all again. */
  forget(): void {
    this.#readAllAtMs = Number.NEGATIVE_INFINITY;
    this.#changed.clear();
    this.#suspects.clear();
  }

  /** As `readCluster` has it, with what has changed since it was read last. */
  read(now: Date): Promise<Cluster> {
    return this.#next(async () => {
      if (this.#isOld(now)) await this.#readAll(now);
      else await this.#readChanged();
      return toCluster(this.#deps, this.#workers, [...this.#held.values()]);
    });
  }

  /** Reads ahead what has changed, so that a `read` soon after need not; nothing while all has to be read. */
  catchUp(now: Date): Promise<void> {
    return this.#next(async () => {
      if (!this.#isOld(now)) await this.#readChanged();
    });
  }

  #next<Result>(work: () => Promise<Result>): Promise<Result> {
    const reading = this.#last.then(work);
    this.#last = reading.catch(() => this.forget()); // its caller is told
    return reading;
  }

  #isOld(now: Date): boolean {
    // Clocks may be set back.
    return Math.abs(now.getTime() - this.#readAllAtMs) >= this.#deps.settings.pollIntervalMs;
  }

  async #readAll(now: Date): Promise<void> {
    const { workers, jobs } = this.#deps.readers;
    const isComparable = Number.isFinite(this.#readAllAtMs);
    // Before the reading: what comes meanwhile is not lost.
    this.#readAllAtMs = now.getTime();
    const changedIds = new Set<string>(this.#changed);
    this.#changed.clear();
    const before = this.#haveWorkersChanged || !isComparable ? undefined : this.#workers;
    this.#haveWorkersChanged = false;
    const [live, held] = await Promise.all([workers.listLive(), jobs.listHeld()]);
    const found = new Map(held.map((attempt) => [attempt.jobId, attempt]));
    this.#countDrift();
    if (isComparable && Number.isFinite(this.#readAllAtMs)) {
      const differing = [
        ...differences(versions(before ?? live), versions(live)),
        ...differences(places(this.#held), places(found)),
      ];
      const isTold = (id: string) => changedIds.has(id) || this.#changed.has(id as JobId);
      this.#suspects = new Set(differing.filter((id) => !isTold(id)));
    }
    this.#workers = live;
    this.#held = found;
  }

  /** Nobody has told of what is suspect since it was found. */
  #countDrift(): void {
    const count = this.#suspects.size;
    this.#suspects.clear();
    if (count === 0) return;
    this.#deps.statistics.driftCount += count;
    this.#deps.log.warn("snapshot_drift", { count });
  }

  async #readChanged(): Promise<void> {
    const { workers, jobs } = this.#deps.readers;
    const changed = [...this.#changed];
    const areWorkersOld = this.#haveWorkersChanged;
    this.#changed.clear();
    this.#haveWorkersChanged = false;
    const [live, held] = await Promise.all([
      areWorkersOld ? workers.listLive() : this.#workers,
      changed.length === 0 ? [] : jobs.findHeld(changed),
    ]);
    this.#workers = live;
    for (const id of changed) this.#held.delete(id);
    for (const attempt of held) this.#held.set(attempt.jobId, attempt);
  }

  #note(events: readonly EventRecord[]): void {
    for (const { subjectType, subjectId, type } of events) {
      this.#suspects.delete(subjectId);
      if (subjectType === "worker") this.#haveWorkersChanged = true;
      // A new job holds nothing.
      else if (subjectType === "job" && type !== "job.created") {
        this.#changed.add(subjectId as JobId);
      }
    }
    if (this.#changed.size > CHANGED_MAX) this.forget();
  }
}

const versions = (workers: readonly Worker[]): ReadonlyMap<string, string> =>
  new Map(workers.map(({ id, version }) => [id, String(version)]));

const places = (held: ReadonlyMap<JobId, HeldAttempt>): ReadonlyMap<string, string> =>
  new Map([...held].map(([id, { workerId, isEnding }]) => [id, `${workerId} ${isEnding}`]));

/** Keys whose values differ, or that only one has. */
function differences(
  a: ReadonlyMap<string, string>,
  b: ReadonlyMap<string, string>,
): readonly string[] {
  const keys = new Set([...a.keys(), ...b.keys()]);
  return [...keys].filter((key) => a.get(key) !== b.get(key));
}
