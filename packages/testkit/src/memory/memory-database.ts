import {
  type CommitListener,
  type Database,
  type InsertedJob,
  type Job,
  type JobChange,
  type JoinToken,
  type JoinTokenStore,
  jobEventRecords,
  type LeadershipStore,
  type NewJob,
  PlatformError,
  type Readers,
  type ReplicaStore,
  type Stores,
} from "@hodei/domain";
import { MemoryAttemptReader, MemoryAttemptStore } from "./memory-attempts.ts";
import { MemoryEventReader } from "./memory-events.ts";
import { findJobRow, MemoryJobReader, MemoryJobStore, storeJobRow } from "./memory-jobs.ts";
import { MemorySubscriptionReader, MemorySubscriptionStore } from "./memory-subscriptions.ts";
import { MemoryWorkerReader, MemoryWorkerStore } from "./memory-workers.ts";
import { compareText } from "./pages.ts";
import { type DraftTables, MemoryTables, type Tables } from "./tables.ts";

/**
 * A database that lives as long as its process. Transactions run one after another, in the order in which they were
 * asked for, so one that starts another and waits for it waits for ever. Without timers and randomness of its own: the
 * same calls give the same result.
 */
export class MemoryDatabase implements Database {
  readonly readers: Readers;
  readonly #tables = new MemoryTables();
  readonly #onCommit: CommitListener;
  /** Settles when the latest transaction has ended. */
  #last: Promise<unknown> = Promise.resolve();

  constructor({ onCommit }: { readonly onCommit: CommitListener }) {
    this.#onCommit = onCommit;
    this.readers = {
      jobs: new MemoryJobReader(this.#tables),
      attempts: new MemoryAttemptReader(this.#tables),
      workers: new MemoryWorkerReader(this.#tables),
      replicas: { list: async () => listReplicas(this.#tables) },
      events: new MemoryEventReader(this.#tables),
      subscriptions: new MemorySubscriptionReader(this.#tables),
    };
  }

  transact<T>(work: (stores: Stores) => Promise<T>): Promise<T> {
    return this.#change((draft) => work(createStores(draft)));
  }

  insertJobs(jobs: readonly NewJob[]): Promise<readonly InsertedJob[]> {
    return this.#change(async (draft) => jobs.map((newJob) => insertJob(draft, newJob)));
  }

  changeJob(change: JobChange): Promise<Job | undefined> {
    return this.#change(async (draft) => {
      if (findJobRow(draft, change.job.id)?.job.version !== change.job.version) return undefined;
      const [job] = await new MemoryJobStore(draft).updateAll([change]);
      return job;
    });
  }

  #change<T>(work: (draft: DraftTables) => Promise<T>): Promise<T> {
    const turn = this.#last.then(async () => {
      const { result, newEvents } = await this.#tables.change(work);
      if (newEvents.length > 0) this.#onCommit(newEvents);
      return result;
    });
    this.#last = turn.catch(() => undefined); // its caller is told; the next one runs all the same
    return turn;
  }
}

function createStores(draft: DraftTables): Stores {
  return {
    jobs: new MemoryJobStore(draft),
    attempts: new MemoryAttemptStore(draft),
    workers: new MemoryWorkerStore(draft),
    joinTokens: joinTokenStore(draft),
    replicas: replicaStore(draft),
    leadership: leadershipStore(draft),
    events: new MemoryEventReader(draft),
    subscriptions: new MemorySubscriptionStore(draft),
  };
}

function insertJob(
  draft: DraftTables,
  { job, spec, idempotencyKey, causedBy }: NewJob,
): InsertedJob {
  if (findJobRow(draft, job.id) !== undefined) {
    throw new PlatformError("internal", "duplicate_key", `job ${job.id} is stored already`);
  }
  if (idempotencyKey !== null) {
    const key = JSON.stringify([job.tenantId, idempotencyKey]);
    const seen = findJobRow(draft, draft.idempotencyKeys.get(key) ?? "");
    if (seen !== undefined) return { job: seen.job, created: false };
    draft.idempotencyKeys.set(key, job.id);
  }
  storeJobRow(draft, { job, spec });
  draft.newEvents.push(...jobEventRecords(job, [{ type: "created", at: job.createdAt, causedBy }]));
  return { job, created: true };
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
