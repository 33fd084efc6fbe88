import {
  type Attempt,
  type Awaited,
  type EventRecord,
  invariant,
  type Job,
  type JobSpec,
  type JoinToken,
  type RateStart,
  type Replica,
  type SubscriptionState,
  type UndeliveredEvent,
  type Worker,
} from "@hodei/domain";
import { DraftRows, type Rows } from "./rows.ts";

export interface JobRow {
  readonly job: Job;
  readonly spec: JobSpec;
}

export interface MovedJobRow extends JobRow {
  readonly keptUntil: Date;
}

/** Everything a memory database holds, as one transaction or reader sees it. */
export interface Tables {
  /** Jobs that have not ended, apart from the others because most queries ask for these only. */
  readonly unfinishedJobs: Rows<JobRow>;
  readonly finishedJobs: Rows<JobRow>;
  /** Those that `moveFinished` took from `finishedJobs`. */
  readonly movedJobs: Rows<MovedJobRow>;
  /** Job ids by tenant and idempotency key. */
  readonly idempotencyKeys: Rows<string>;
  readonly attempts: Rows<Attempt>;
  readonly workers: Rows<Worker>;
  readonly joinTokens: Rows<JoinToken>;
  readonly replicas: Rows<Replica>;
  readonly dependencies: Rows<Awaited>;
  /** By `keyText`. */
  readonly rateStarts: Rows<readonly RateStart[]>;
  readonly leaderships: Rows<number>;
  readonly subscriptions: Rows<SubscriptionState>;
  readonly undelivered: Rows<UndeliveredEvent>;
  /** Committed events, oldest first; the cursor of an event is its index. */
  readonly events: readonly EventRecord[];
}

/** Tables with the changes of one transaction. */
export interface DraftTables extends Tables {
  /** Events that the transaction adds. */
  readonly newEvents: EventRecord[];
  /** @throws Error once the transaction has ended */
  ensureOpen(): void;
}

/** The committed rows. */
export class MemoryTables implements Tables {
  readonly unfinishedJobs = new Map<string, JobRow>();
  readonly finishedJobs = new Map<string, JobRow>();
  readonly movedJobs = new Map<string, MovedJobRow>();
  readonly idempotencyKeys = new Map<string, string>();
  readonly attempts = new Map<string, Attempt>();
  readonly workers = new Map<string, Worker>();
  readonly joinTokens = new Map<string, JoinToken>();
  readonly replicas = new Map<string, Replica>();
  readonly dependencies = new Map<string, Awaited>();
  readonly rateStarts = new Map<string, readonly RateStart[]>();
  readonly leaderships = new Map<string, number>();
  readonly subscriptions = new Map<string, SubscriptionState>();
  readonly undelivered = new Map<string, UndeliveredEvent>();
  readonly events: EventRecord[] = [];

  /** Runs `work` on a draft, which becomes the committed state if `work` succeeds. Returns also the new events. */
  async change<T>(
    work: (draft: DraftTables) => Promise<T>,
  ): Promise<{ readonly result: T; readonly newEvents: readonly EventRecord[] }> {
    const rows = {
      unfinishedJobs: new DraftRows(this.unfinishedJobs),
      finishedJobs: new DraftRows(this.finishedJobs),
      movedJobs: new DraftRows(this.movedJobs),
      idempotencyKeys: new DraftRows(this.idempotencyKeys),
      attempts: new DraftRows(this.attempts),
      workers: new DraftRows(this.workers),
      joinTokens: new DraftRows(this.joinTokens),
      replicas: new DraftRows(this.replicas),
      dependencies: new DraftRows(this.dependencies),
      rateStarts: new DraftRows(this.rateStarts),
      leaderships: new DraftRows(this.leaderships),
      subscriptions: new DraftRows(this.subscriptions),
      undelivered: new DraftRows(this.undelivered),
    };
    const newEvents: EventRecord[] = [];
    let open = true;
    const ensureOpen = () => invariant(open, "a transaction's stores are used while it runs");
    try {
      const result = await work({ ...rows, events: this.events, newEvents, ensureOpen });
      for (const draft of Object.values(rows)) draft.apply();
      this.events.push(...newEvents);
      return { result, newEvents };
    } finally {
      open = false;
    }
  }
}
