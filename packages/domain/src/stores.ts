import type { Attempt } from "./attempt.ts";
import type { Cause } from "./cause.ts";
import type { Awaited, JudgedDependency } from "./dependencies.ts";
import type { EventCursor, EventRecord, StoredEvent } from "./events.ts";
import type { JobId, LeaseToken, ReplicaId, TenantId, WorkerId } from "./ids.ts";
import type { Job, JobEvent, JobState } from "./job.ts";
import type { JobSpec } from "./job-spec.ts";
import type { KeyHolder, LimitKey, RateStart } from "./limits.ts";
import type { EndedJob } from "./retention.ts";
import type { TenantEnd } from "./scheduler/fair-order.ts";
import type { HeldAttempt } from "./scheduler/host.ts";
import type { Candidate } from "./scheduler/plan.ts";
import type { DuePosition } from "./scheduler/urgency.ts";
import type { SubscriptionReader, SubscriptionStore } from "./subscription.ts";
import type { Worker, WorkerEvent, WorkerState } from "./worker.ts";

/** One page of a list; `nextToken` is `null` on the last. Tokens are opaque. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly nextToken: string | null;
}

export interface PageRequest {
  /** At least 1. */
  readonly limit: number;
  /** `null`: the first page. */
  readonly token: string | null;
}

/** All that is given must hold. */
export interface JobFilter {
  readonly tenantId: TenantId;
  readonly states?: readonly JobState[];
  readonly labels?: Readonly<Record<string, string>>;
  /** Case is ignored. */
  readonly nameContains?: string;
  readonly createdAfter?: Date;
  readonly createdBefore?: Date;
}

/** A job to be stored with its `created` event. */
export interface NewJob {
  readonly job: Job;
  readonly spec: JobSpec;
  /** `null`: none. Unique per tenant. */
  readonly idempotencyKey: string | null;
  /** Of the `created` event. */
  readonly causedBy: Cause;
}

export interface InsertedJob {
  readonly job: Job;
  /** False: the idempotency key was seen before, and `job` is the one stored then. */
  readonly created: boolean;
}

/** One step of a job that is about one of its attempts: what it writes, together or not at all. */
export interface JobChange {
  /** As it is to be; its `version` is the one that the decision was made on. */
  readonly job: Job;
  readonly events: readonly JobEvent[];
  /** As it is to be; a new one is added. */
  readonly attempt: Attempt;
}

/** Of an idempotency key among all of them, by its job. */
export interface KeyPosition {
  readonly createdAt: Date;
  readonly jobId: JobId;
}

export interface JobReader {
  /** @throws PlatformError `not_found` */
  get(id: JobId): Promise<Job>;
  find(id: JobId): Promise<Job | undefined>;
  /** @throws PlatformError `not_found` */
  getSpec(id: JobId): Promise<JobSpec>;
  /** Of those of the jobs that exist. */
  getSpecs(ids: readonly JobId[]): Promise<ReadonlyMap<JobId, JobSpec>>;
  /** The instant with whose day a job goes that `moveFinished` has moved; `undefined` of every other. */
  findKeptUntil(id: JobId): Promise<Date | undefined>;
  /** Newest first. */
  list(filter: JobFilter, page: PageRequest): Promise<Page<Job>>;
  /**
   * Pending jobs that are not blocked, with `runAt` ≤ `now`, most urgent first, as `byUrgency` has them. Also those that have
   * claimed room: they were due, and a clock that was set back must not give it to others. `limit` at most: of more jobs, each tenant has an even share of it for its most urgent ones, and the most urgent of all have the
   * rest. So however many jobs one tenant has, those of the others are there.
   */
  listDue(now: Date, limit: number): Promise<readonly Candidate[]>;
  /** Of the same jobs those that come after `position` in that order, of all tenants; `null`: from the first. `limit` at most. */
  listDueAfter(
    position: DuePosition | null,
    now: Date,
    limit: number,
  ): Promise<readonly Candidate[]>;
  /** Those of the jobs that `listDue` would have, in no order. */
  findDue(ids: readonly JobId[], now: Date): Promise<readonly Candidate[]>;
  /** Earliest `runAt` or queue deadline after `now` among pending jobs; `null` if there is none. */
  nextDueAt(now: Date): Promise<Date | null>;
  /** What assigned and running jobs hold of their workers. */
  listHeld(): Promise<readonly HeldAttempt[]>;
  /** Those of the jobs that `listHeld` would have, in no order. */
  findHeld(ids: readonly JobId[]): Promise<readonly HeldAttempt[]>;
  /**
   * When the jobs ended that ended last, the last first, and whose they are. Of `limit` jobs at most, those left out that
   * never started, and those that `moveFinished` has moved.
   */
  listLastEnds(limit: number): Promise<readonly TenantEnd[]>;
  /** Assigned or running jobs of these workers. */
  listOfWorkers(workerIds: readonly WorkerId[]): Promise<readonly Job[]>;
  /** Assigned jobs whose lease ran out unacknowledged, oldest first. */
  listUnacknowledged(now: Date, limit: number): Promise<readonly Job[]>;
  /** Running jobs that were asked to end, and whose grace after that was over at `before`; the earliest first. */
  listCancelOverdue(before: Date, limit: number): Promise<readonly Job[]>;
  /** Pending jobs, never started, whose queue time-out has passed. */
  listQueueTimedOut(now: Date, limit: number): Promise<readonly Job[]>;
  /** Jobs that have not ended. */
  countUnfinished(): Promise<number>;
}

/** Durable jobs. A write stores the job and its events together, or neither. */
export interface JobStore extends JobReader {
  /** As `Database.insertJobs`, in this transaction. */
  insert(jobs: readonly NewJob[]): Promise<readonly InsertedJob[]>;
  /** As `get`, and holds the row until the transaction ends. @throws PlatformError `not_found` */
  lock(id: JobId): Promise<Job>;
  /** Those of the jobs that exist, as `lock` has each. */
  lockAll(ids: readonly JobId[]): Promise<readonly Job[]>;
  /** Replaces the row and returns it with its new version. @throws PlatformError `conflict` if stale */
  update(job: Job, events: readonly JobEvent[]): Promise<Job>;
  /** Stores the changes of different jobs; returns those with their new versions. @throws PlatformError `conflict` if one is stale */
  updateAll(changes: readonly JobChange[]): Promise<readonly Job[]>;
  /**
   * Moves jobs that ended at `endedUntil` or before, with their specs and attempts, out of the way of those that live: the
   * oldest first, `limit` at most, fewer of those with large specs, and none that a stored dependency names. Returns how many. Every reader finds them as
   * before, and nothing changes them any more; they go with the day that `keptUntil` says. Two who move at once move different
   * jobs.
   */
  moveFinished(
    endedUntil: Date,
    limit: number,
    keptUntil: (job: EndedJob) => Date,
  ): Promise<number>;
  /**
   * Looks at idempotency keys of jobs that were created before `createdBefore`, the oldest that come after `from` first, `limit` at
   * most, and forgets those whose jobs are gone. Returns where to go on, `null` after the last. A key that is not forgotten
   * yet is free all the same once its job is gone: this only keeps them few.
   */
  forgetKeys(
    createdBefore: Date,
    limit: number,
    from: KeyPosition | null,
  ): Promise<KeyPosition | null>;
}

/** How the attempts of one worker went. */
export interface AttemptTally {
  readonly workerId: WorkerId;
  /** Of all of its attempts that are stored and have not moved. */
  readonly lastAssignedAt: Date;
  /** Of those, ended in the time that was asked about. */
  readonly endedCount: number;
  /** Of the ended ones, those whose reason is a worker's fault: `isWorkerFault`. */
  readonly faultCount: number;
  /** Of the ended ones, those whose start the worker told of, and how long that took from their assignment, on average. */
  readonly startedCount: number;
  readonly startMs: number | null;
}

export interface AttemptReader {
  find(jobId: JobId, number: number): Promise<Attempt | undefined>;
  /** Oldest first. */
  list(jobId: JobId): Promise<readonly Attempt[]>;
  /**
   * For each worker with attempts that `moveFinished` has not moved, how those went that ended after `after`, and at `until`
   * or before. Takes time in proportion to the attempts that have not moved. In no order.
   */
  tally(after: Date, until: Date): Promise<readonly AttemptTally[]>;
}

export interface AttemptStore extends AttemptReader {
  /** As `find`, and lets nobody change it or append to its log until the transaction ends. The caller holds its job. */
  lock(jobId: JobId, number: number): Promise<Attempt | undefined>;
}

export interface WorkerReader {
  /** @throws PlatformError `not_found` */
  get(id: WorkerId): Promise<Worker>;
  find(id: WorkerId): Promise<Worker | undefined>;
  /** Newest first. `states` empty: any. */
  list(
    filter: { readonly tenantId: TenantId; readonly states: readonly WorkerState[] },
    page: PageRequest,
  ): Promise<Page<Worker>>;
  /** Every worker that is not terminated. */
  listLive(): Promise<readonly Worker[]>;
  /** Those of `ids` that `listLive` would have. In no order. */
  findLive(ids: readonly WorkerId[]): Promise<readonly Worker[]>;
  /** The last `limit` workers that `provider` made for the pool, terminated ones too, newest first. */
  listNewest(
    pool: { readonly name: string; readonly provider: string },
    limit: number,
  ): Promise<readonly Worker[]>;
}

/** Durable workers. A write stores the worker and its events together, or neither. */
export interface WorkerStore extends WorkerReader {
  /** As `get`, and holds the row until the transaction ends. @throws PlatformError `not_found` */
  lock(id: WorkerId): Promise<Worker>;
  /** Those of the workers that exist, as `lock` has each. */
  lockAll(ids: readonly WorkerId[]): Promise<readonly Worker[]>;
  /** Stores a new worker with its `created` event. */
  insert(worker: Worker, causedBy: Cause): Promise<void>;
  /** Replaces the row and returns it with its new version. @throws PlatformError `conflict` if stale */
  update(worker: Worker, events: readonly WorkerEvent[]): Promise<Worker>;
}

/** A token with which one worker may register. Only its hash is kept. */
export interface JoinToken {
  readonly hash: string;
  readonly workerId: WorkerId;
  readonly expiresAt: Date;
}

export interface JoinTokenStore {
  /** @throws PlatformError `not_found` unless the worker is stored */
  insert(token: JoinToken): Promise<void>;
  /** Takes the token out of use and returns it; `undefined` if it is unknown, spent or expired at `now`. */
  spend(hash: string, now: Date): Promise<JoinToken | undefined>;
}

export interface Replica {
  readonly id: ReplicaId;
  readonly renewedAt: Date;
}

/** After so long without a renewal nothing is known of a replica any more: it died, for a stop removes it. */
export const REPLICA_KEPT_MS = 86_400_000;

/** Servers that say they live. Each renews its own row. */
export interface ReplicaStore {
  /** Forgets those that have not renewed theirs for `REPLICA_KEPT_MS`. */
  renew(id: ReplicaId, now: Date): Promise<void>;
  remove(id: ReplicaId): Promise<void>;
  list(): Promise<readonly Replica[]>;
}

export interface EventFilter {
  /** `null`: every tenant; for the platform's own loops. */
  readonly tenantId: TenantId | null;
  readonly subjectId?: string;
  /** Empty: any. */
  readonly types?: readonly string[];
}

export interface EventPage {
  readonly events: readonly StoredEvent[];
  /** Where to read on; passes over events that the filter left out. */
  readonly nextCursor: EventCursor;
}

/** Events in the order of their cursors. An event shows only when none with a smaller cursor can appear any more. */
export interface EventReader {
  list(filter: EventFilter, after: EventCursor, limit: number): Promise<EventPage>;
  /** After every event that is visible now. */
  latestCursor(): Promise<EventCursor>;
}

/** How many jobs may wait for their first start: those that have ended or started once do not count. */
export interface QueueLimits {
  /** Of one tenant; `null`: any number. */
  readonly tenantCount: number | null;
  /** Of all tenants together; `null`: any number. */
  readonly totalCount: number | null;
}

export const NO_QUEUE_LIMITS: QueueLimits = { tenantCount: null, totalCount: null };

/** What is held while one transaction looks at what counts against a limit, and adds to it. */
export interface LimitLock extends LimitKey {
  /** Of `tenant` there is one for each tenant; its key is empty. */
  readonly kind: "concurrency" | "rate" | "tenant";
}

export interface LimitReader {
  /** Assigned and running jobs that have these concurrency keys, oldest first. */
  listHolders(keys: readonly LimitKey[]): Promise<readonly KeyHolder[]>;
  /** Jobs with this concurrency key that have not ended, oldest first. */
  listUnfinished(key: LimitKey): Promise<readonly Job[]>;
  /** Starts under these rate limits that count at `now`. */
  listStarts(keys: readonly LimitKey[], now: Date): Promise<readonly RateStart[]>;
  /** Assigned and running jobs of each of the tenants that has any. */
  countHeld(tenantIds: readonly TenantId[]): Promise<ReadonlyMap<TenantId, number>>;
}

/** What jobs wait for. A job's row goes when the job that it names has ended, and this is known to hold or not. */
export interface DependencyReader {
  /**
   * Jobs with a dependency on one that has ended: on one of `ended`, or on any that ended at that instant or later. At most
   * `limit`, in no order.
   */
  listSettled(ended: readonly JobId[] | Date, limit: number): Promise<readonly JobId[]>;
  /** What these jobs still wait for, in the order of the ids. */
  listOf(jobIds: readonly JobId[]): Promise<readonly JudgedDependency[]>;
}

export interface DependencyStore extends DependencyReader {
  insert(dependencies: readonly Awaited[]): Promise<void>;
  remove(dependencies: readonly Awaited[]): Promise<void>;
}

/** What counts against limits. Places are counted from the jobs themselves: nothing has to be given back. */
export interface LimitStore extends LimitReader {
  /**
   * Waits for whoever holds one of these, and holds them until the transaction ends. Whoever adds to what counts against a
   * limit holds it, from before it looks. All that a transaction needs are locked in one call.
   */
  lock(locks: readonly LimitLock[]): Promise<void>;
  /** Stores the starts, and forgets those of the same keys that count no more at `now`. */
  addStarts(starts: readonly RateStart[], now: Date): Promise<void>;
}

/**
 * Who leads what, as the database knows it. Each leadership has a number, its epoch, higher than all before it: a leader
 * that was followed by another and does not know it yet cannot write any more.
 */
export interface LeadershipStore {
  /** Ends the leadership of whoever leads and returns the epoch of the next one; waits for what that one is committing. */
  begin(name: string): Promise<number>;
  /**
   * Keeps the next leadership from beginning until the transaction ends.
   * @throws PlatformError `conflict`, reason `not_leading`, if it has begun
   */
  check(name: string, epoch: number): Promise<void>;
}

/** What one transaction can read and write. */
export interface Stores {
  readonly jobs: JobStore;
  readonly attempts: AttemptStore;
  readonly workers: WorkerStore;
  readonly joinTokens: JoinTokenStore;
  readonly replicas: ReplicaStore;
  readonly limits: LimitStore;
  readonly dependencies: DependencyStore;
  readonly leadership: LeadershipStore;
  readonly events: EventReader;
  readonly subscriptions: SubscriptionStore;
}

/** Reads outside a transaction, each on its own. */
export interface Readers {
  readonly limits: LimitReader;
  readonly dependencies: DependencyReader;
  readonly jobs: JobReader;
  readonly attempts: AttemptReader;
  readonly workers: WorkerReader;
  readonly replicas: Pick<ReplicaStore, "list">;
  readonly events: EventReader;
  readonly subscriptions: SubscriptionReader;
}

/** All durable state but logs. */
export interface Database {
  readonly readers: Readers;
  /**
   * Runs `work` in one transaction and commits it, or rolls back if it throws. Deadlocks and serialization failures are
   * tried again, so `work` must have no effect outside of `stores`.
   * @throws PlatformError `unavailable` while the database cannot be reached
   */
  transact<T>(work: (stores: Stores) => Promise<T>): Promise<T>;
  /**
   * Stores all of the jobs with their `created` events, or none; resolves after the commit, which several calls may
   * share. Results in the order of `jobs`.
   * @throws PlatformError `resource_exhausted`, reason `queue_full`, if more would wait than the database's queue limit
   */
  insertJobs(jobs: readonly NewJob[]): Promise<readonly InsertedJob[]>;
  /**
   * Stores the change if the job still has its version, and returns the job with its new one; `undefined`, and nothing is
   * stored, if somebody else changed it. Resolves after the commit, which several calls may share.
   */
  changeJob(change: JobChange): Promise<Job | undefined>;
}

/**
 * Told after each commit what was stored, in this process only. `inserted`: the jobs of `insertJobs` that are new, as they
 * are stored. Must not throw; only wakes.
 */
export type CommitListener = (events: readonly EventRecord[], inserted?: readonly Job[]) => void;

/** Makes lease tokens; 122 random bits or more. */
export type NewLeaseToken = () => LeaseToken;
