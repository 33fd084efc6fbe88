import type { EventRecord, HeldAttempt, JobEvent, JobId, Logger, Readers } from "@hodei/domain";
import { FollowedRows } from "./followed-rows.ts";
import { type Cluster, type ClusterDeps, toCluster } from "./hosts.ts";
import type { LiveWorkers } from "./live-workers.ts";
import type { Settings } from "./settings.ts";
import type { Signals } from "./signals.ts";
import type { Statistics } from "./statistics.ts";

export interface ClusterSnapshotDeps extends Omit<ClusterDeps, "settings"> {
  readonly signals: Pick<Signals, "follow">;
  readonly liveWorkers: Pick<LiveWorkers, "list" | "catchUp" | "forget">;
  readonly readers: { readonly jobs: Pick<Readers["jobs"], "listHeld" | "findHeld"> };
  readonly settings: ClusterDeps["settings"] & Pick<Settings, "pollIntervalMs">;
  readonly statistics: Pick<Statistics, "driftCount">;
  readonly log: Pick<Logger, "warn">;
}

/** Changed jobs beyond which all that is held is read at once. */
const CHANGED_MAX = 1_000;

/** After these a job holds a worker; after every other event it does not. */
const HOLDING_EVENTS: ReadonlySet<string> = new Set(
  (
    ["assigned", "started", "cancel_requested", "preempt_requested", "retries_exhausted"] as const
  ).map((type: JobEvent["type"]) => `job.${type}`),
);

/** Workers and what is taken of them, kept in memory for the loops of the leader, as `DueJobs` keeps what waits. */
export class ClusterSnapshot {
  readonly #deps: ClusterSnapshotDeps;
  readonly #held: FollowedRows<JobId, HeldAttempt>;

  constructor(deps: ClusterSnapshotDeps) {
    this.#deps = deps;
    const { jobs } = deps.readers;
    this.#held = new FollowedRows<JobId, HeldAttempt>({
      intervalMs: deps.settings.pollIntervalMs,
      changedMax: CHANGED_MAX,
      idOf: ({ jobId }) => jobId,
      versionOf: ({ workerId, isEnding }) => `${workerId} ${isEnding}`,
      readAll: () => jobs.listHeld(),
      readSome: (ids) => jobs.findHeld(ids),
      onDrift: (count) => {
        deps.statistics.driftCount += count;
        deps.log.warn("snapshot_drift", { of: "attempts", count });
      },
    });
    deps.signals.follow({
      committed: (events) => this.#note(events),
      changedElsewhere: () => this.#held.forget(),
    });
  }

  /** Lets the next `read` read all again. */
  forget(): void {
    this.#held.forget();
    this.#deps.liveWorkers.forget();
  }

  /** As `readCluster` has it, with what has changed since it was read last. */
  async read(now: Date): Promise<Cluster> {
    const { liveWorkers } = this.#deps;
    const [workers, held] = await Promise.all([liveWorkers.list(now), this.#held.read(now)]);
    return toCluster(this.#deps, workers, held);
  }

  /** Reads ahead what has changed, so that a `read` soon after need not; nothing while all has to be read. */
  async catchUp(now: Date): Promise<void> {
    await Promise.all([this.#deps.liveWorkers.catchUp(now), this.#held.catchUp(now)]);
  }

  #note(events: readonly EventRecord[]): void {
    for (const { subjectType, subjectId, type } of events) {
      if (subjectType !== "job") continue;
      if (HOLDING_EVENTS.has(type)) this.#held.note(subjectId as JobId);
      else this.#held.drop(subjectId as JobId);
    }
  }
}
