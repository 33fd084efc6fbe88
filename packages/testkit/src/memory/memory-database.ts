import {
  type CommitListener,
  type Database,
  type InsertedJob,
  type Job,
  type JobChange,
  type JoinToken,
  type JoinTokenStore,
  type LeadershipStore,
  type NewJob,
  NO_QUEUE_LIMITS,
  PlatformError,
  type QueueLimits,
  REPLICA_KEPT_MS,
  type Readers,
  type ReplicaStore,
  type Stores,
} from "@hodei/domain";
import { MemoryAttemptReader, MemoryAttemptStore } from "./memory-attempts.ts";
import { MemoryDependencyReader, MemoryDependencyStore } from "./memory-dependencies.ts";
import { MemoryEventReader } from "./memory-events.ts";
import { findLiveRow, insertJobRows, MemoryJobReader, MemoryJobStore } from "./memory-jobs.ts";
import { MemoryLimitReader, MemoryLimitStore } from "./memory-limits.ts";
import { MemorySubscriptionReader, MemorySubscriptionStore } from "./memory-subscriptions.ts";
import { MemoryWorkerReader, MemoryWorkerStore } from "./memory-workers.ts";
import { compareText } from "./pages.ts";
import { type DraftTables, MemoryTables, type Tables } from "./tables.ts";

export interface MemoryDatabaseOptions {
  readonly onCommit: CommitListener;
  /** Default: none. */
  readonly queueLimits?: QueueLimits;
}

/**
 * A database that lives as long as its process. Transactions run one after another, in the order in which they were
 * asked for, so one that starts another and waits for it waits for ever. Without timers and randomness of its own: the
 * same calls give the same result.
 */
export class MemoryDatabase implements Database {
  readonly readers: Readers;
  readonly #tables = new MemoryTables();
  readonly #onCommit: CommitListener;
  readonly #queueLimits: QueueLimits;
  /** Settles when the latest transaction has ended. */
  #last: Promise<unknown> = Promise.resolve();

  constructor({ onCommit, queueLimits = NO_QUEUE_LIMITS }: MemoryDatabaseOptions) {
    this.#queueLimits = queueLimits;
    this.#onCommit = onCommit;
    this.readers = {
      jobs: new MemoryJobReader(this.#tables),
      attempts: new MemoryAttemptReader(this.#tables),
      workers: new MemoryWorkerReader(this.#tables),
      limits: new MemoryLimitReader(this.#tables),
      dependencies: new MemoryDependencyReader(this.#tables),
      replicas: { list: async () => listReplicas(this.#tables) },
      events: new MemoryEventReader(this.#tables),
      subscriptions: new MemorySubscriptionReader(this.#tables),
    };
  }

  transact<T>(work: (stores: Stores) => Promise<T>): Promise<T> {
    return this.#change((draft) => work(createStores(draft, this.#queueLimits)));
  }

  insertJobs(jobs: readonly NewJob[]): Promise<readonly InsertedJob[]> {
    return this.#change(
      async (draft) => insertJobRows(draft, jobs, this.#queueLimits),
      (inserted) => inserted.flatMap(({ job, created }) => (created ? [job] : [])),
    );
  }

  changeJob(change: JobChange): Promise<Job | undefined> {
    return this.#change(async (draft) => {
      if (findLiveRow(draft, change.job.id)?.job.version !== change.job.version) return undefined;
      const [job] = await new MemoryJobStore(draft, this.#queueLimits).updateAll([change]);
      return job;
    });
  }

  #change<T>(
    work: (draft: DraftTables) => Promise<T>,
    insertedOf: (result: T) => readonly Job[] = () => [],
  ): Promise<T> {
    const turn = this.#last.then(async () => {
      const { result, newEvents } = await this.#tables.change(work);
      if (newEvents.length > 0) this.#onCommit(newEvents, insertedOf(result));
      return result;
    });
    this.#last = turn.catch(() => undefined); // its caller is told; the next one runs all the same
    return turn;
  }
}

function createStores(draft: DraftTables, queueLimits: QueueLimits): Stores {
  return {
    jobs: new MemoryJobStore(draft, queueLimits),
    attempts: new MemoryAttemptStore(draft),
    workers: new MemoryWorkerStore(draft),
    joinTokens: joinTokenStore(draft),
    replicas: replicaStore(draft),
    limits: new MemoryLimitStore(draft),
    dependencies: new MemoryDependencyStore(draft),
    leadership: leadershipStore(draft),
    events: new MemoryEventReader(draft),
    subscriptions: new MemorySubscriptionStore(draft),
  };
}

function joinTokenStore(draft: DraftTables): JoinTokenStore {
  return {
    insert: async (token) => {
      draft.ensureOpen();
      if (draft.workers.get(token.workerId) === undefined) {
        throw new PlatformError("not_found", "worker_not_found", `no worker ${token.workerId}`);
      }
      draft.joinTokens.set(token.hash, token);
    },
    spend: async (hash, now) => {
      draft.ensureOpen();
      const token: JoinToken | undefined = draft.joinTokens.get(hash);
      draft.joinTokens.delete(hash);
      return token !== undefined && token.expiresAt > now ? token : undefined;
    },
  };
}

function replicaStore(draft: DraftTables): ReplicaStore {
  return {
    renew: async (id, now) => {
      draft.ensureOpen();
      const forgottenMs = now.getTime() - REPLICA_KEPT_MS;
      for (const other of [...draft.replicas.values()])
        if (other.renewedAt.getTime() <= forgottenMs) draft.replicas.delete(other.id);
      draft.replicas.set(id, { id, renewedAt: now });
    },
    remove: async (id) => {
      draft.ensureOpen();
      draft.replicas.delete(id);
    },
    list: async () => listReplicas(draft),
  };
}

function listReplicas({ replicas }: Tables) {
  return [...replicas.values()].toSorted((a, b) => compareText(a.id, b.id));
}

/** Transactions run one after another, so none is between its check and its commit when the next leadership begins. */
function leadershipStore(draft: DraftTables): LeadershipStore {
  return {
    begin: async (name) => {
      draft.ensureOpen();
      const epoch = (draft.leaderships.get(name) ?? 0) + 1;
      draft.leaderships.set(name, epoch);
      return epoch;
    },
    check: async (name, epoch) => {
      if (draft.leaderships.get(name) === epoch) return;
      throw new PlatformError(
        "conflict",
        "not_leading",
        `leadership ${epoch} of ${name} has ended`,
      );
    },
  };
}
