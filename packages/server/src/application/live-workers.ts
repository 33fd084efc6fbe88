import type { EventRecord, Logger, Readers, Worker, WorkerId } from "@hodei/domain";
import { FollowedRows } from "./followed-rows.ts";
import type { Settings } from "./settings.ts";
import type { Signals } from "./signals.ts";
import type { Statistics } from "./statistics.ts";

export interface LiveWorkersDeps {
  readonly signals: Pick<Signals, "follow">;
  readonly readers: { readonly workers: Pick<Readers["workers"], "listLive" | "findLive"> };
  readonly settings: Pick<Settings, "pollIntervalMs">;
  readonly statistics: Pick<Statistics, "driftCount">;
  readonly log: Pick<Logger, "warn">;
}

/** Changed workers beyond which all are read at once. */
const CHANGED_MAX = 1_000;

/**
 * Every worker that is not terminated, kept in memory for the loops of this replica: of thousands that come back at once each
 * is read once, instead of all of them by each loop for each that comes.
 */
export class LiveWorkers {
  readonly #rows: FollowedRows<WorkerId, Worker>;

  constructor({ signals, readers: { workers }, settings, statistics, log }: LiveWorkersDeps) {
    this.#rows = new FollowedRows<WorkerId, Worker>({
      intervalMs: settings.pollIntervalMs,
      changedMax: CHANGED_MAX,
      idOf: ({ id }) => id,
      versionOf: ({ version }) => String(version),
      readAll: () => workers.listLive(),
      readSome: (ids) => workers.findLive(ids),
      onDrift: (count) => {
        statistics.driftCount += count;
        log.warn("snapshot_drift", { of: "workers", count });
      },
    });
    signals.follow({
      committed: (events) => this.#note(events),
      changedElsewhere: () => this.forget(),
    });
  }

  /** Lets the next `list` read all again. */
  forget(): void {
    this.#rows.forget();
  }

  /** In no order. */
  list(now: Date): Promise<readonly Worker[]> {
    return this.#rows.read(now);
  }

  /** Reads ahead what has changed, so that a `list` soon after need not. */
  catchUp(now: Date): Promise<void> {
    return this.#rows.catchUp(now);
  }

  #note(events: readonly EventRecord[]): void {
    for (const { subjectType, subjectId } of events) {
      if (subjectType === "worker") this.#rows.note(subjectId as WorkerId);
    }
  }
}
