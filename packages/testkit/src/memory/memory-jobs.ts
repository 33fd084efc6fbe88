import {
  byUrgency,
  type Candidate,
  type DuePosition,
  type EndedJob,
  endAskedAt,
  type HeldAttempt,
  type InsertedJob,
  invariant,
  isPreemptible,
  isTerminal,
  type Job,
  type JobChange,
  type JobEvent,
  type JobFilter,
  type JobId,
  type JobReader,
  type JobSpec,
  type JobStore,
  jobEventRecords,
  type NewJob,
  needOf,
  type Page,
  type PageRequest,
  PlatformError,
  type QueueLimits,
  queueDeadline,
  queueFull,
  type TenantEnd,
  type TenantId,
  type WorkerId,
} from "@hodei/domain";
import { attemptKey, storeAttempt } from "./memory-attempts.ts";
import { compareText, newestFirst } from "./pages.ts";
import type { DraftTables, JobRow, Tables } from "./tables.ts";

export class MemoryJobReader implements JobReader {
  readonly #tables: Tables;

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  async get(id: JobId): Promise<Job> {
    return this.#getRow(id).job;
  }

  async find(id: JobId): Promise<Job | undefined> {
    return findJobRow(this.#tables, id)?.job;
  }

  async getSpec(id: JobId): Promise<JobSpec> {
    return this.#getRow(id).spec;
  }

  async getSpecs(ids: readonly JobId[]): Promise<ReadonlyMap<JobId, JobSpec>> {
    const rows = ids.flatMap((id) => findJobRow(this.#tables, id) ?? []);
    return new Map(rows.map(({ job, spec }) => [job.id, spec]));
  }

  async findKeptUntil(id: JobId): Promise<Date | undefined> {
    return this.#tables.movedJobs.get(id)?.keptUntil;
  }

  async list(filter: JobFilter, page: PageRequest): Promise<Page<Job>> {
    const { unfinishedJobs, finishedJobs, movedJobs } = this.#tables;
    const jobs = [unfinishedJobs, finishedJobs, movedJobs].flatMap((rows) =>
      Array.from(rows.values(), ({ job }) => job),
    );
    return newestFirst(
      jobs.filter((job) => passes(filter, job)),
      page,
    );
  }

  async listDue(now: Date, limit: number): Promise<readonly Candidate[]> {
    const due = this.#due(now);
    if (due.length <= limit) return due;
    const byTenant = Map.groupBy(due, ({ tenantId }) => tenantId);
    const share = Math.max(1, Math.floor(limit / byTenant.size));
    const own = new Set([...byTenant.values()].flatMap((jobs) => jobs.slice(0, share)));
    return [...due.filter((job) => own.has(job)), ...due.filter((job) => !own.has(job))]
      .slice(0, limit)
      .toSorted(byUrgency);
  }

  async listDueAfter(
    position: DuePosition | null,
    now: Date,
    limit: number,
  ): Promise<readonly Candidate[]> {
    const due = this.#due(now);
    const first = position === null ? 0 : due.findIndex((job) => byUrgency(position, job) < 0);
    return first < 0 ? [] : due.slice(first, first + limit);
  }

  /** Most urgent first. */
  #due(now: Date): readonly Candidate[] {
    return this.#unfinished()
      .filter(({ state, isBlocked }) => state === "pending" && !isBlocked)
      .filter((job) => (job.runAt <= now || job.claimedWorkerId !== null) && mayWaitAt(job, now))
      .map((job) => ({
        ...needOf(job),
        jobId: job.id,
        version: job.version,
        priority: job.policy.priority,
        urgentSince: job.urgentSince,
        concurrency: job.policy.concurrency,
        rateLimit: job.policy.rateLimit,
        claimedWorkerId: job.claimedWorkerId,
      }))
      .toSorted(byUrgency);
  }

  async findDue(ids: readonly JobId[], now: Date): Promise<readonly Candidate[]> {
    return this.#due(now).filter(({ jobId }) => ids.includes(jobId));
  }

  async nextDueAt(now: Date): Promise<Date | null> {
    const times = this.#unfinished()
      .filter(({ state }) => state === "pending")
      .flatMap((job) => [job.runAt, queueDeadline(job)])
      .flatMap((at) => (at !== null && at > now ? [at.getTime()] : []));
    return times.length === 0 ? null : new Date(times.reduce((a, b) => Math.min(a, b)));
  }

  async findHeld(ids: readonly JobId[]): Promise<readonly HeldAttempt[]> {
    return (await this.listHeld()).filter(({ jobId }) => ids.includes(jobId));
  }

  async listHeld(): Promise<readonly HeldAttempt[]> {
    return this.#unfinished().flatMap((job) => {
      const { id: jobId, state, lease, tenantId, startedAt, policy, preemptionCount } = job;
      if (lease === null) return [];
      return [
        {
          jobId,
          workerId: lease.workerId,
          tenantId,
          requirements: policy.requirements,
          startedAt: state === "running" ? startedAt : null,
          priority: policy.priority,
          isPreemptible: isPreemptible(policy, preemptionCount),
          isEnding: endAskedAt(job) !== null,
          endingFor: job.preemption?.byJobId ?? null,
        },
      ];
    });
  }

  async listLastEnds(limit: number): Promise<readonly TenantEnd[]> {
    const endOf = ({ job }: JobRow) => job.finishedAt?.getTime() ?? 0;
    return [...this.#tables.finishedJobs.values()]
      .toSorted((a, b) => endOf(b) - endOf(a) || compareText(b.job.id, a.job.id))
      .slice(0, limit)
      .flatMap(({ job: { tenantId, startedAt, finishedAt } }) =>
        startedAt === null || finishedAt === null ? [] : [{ tenantId, at: finishedAt }],
      );
  }

  async listOfWorkers(workerIds: readonly WorkerId[]): Promise<readonly Job[]> {
    return this.#unfinished().filter(
      ({ lease }) => lease !== null && workerIds.includes(lease.workerId),
    );
  }

  async listUnacknowledged(now: Date, limit: number): Promise<readonly Job[]> {
    return this.#earliest(
      (job) => (job.state === "assigned" ? (job.lease?.acknowledgeBy ?? null) : null),
      now,
      limit,
    );
  }

  async listCancelOverdue(before: Date, limit: number): Promise<readonly Job[]> {
    const graceEnd = (job: Job) => {
      const askedAt = endAskedAt(job);
      return job.state === "running" && askedAt !== null
        ? new Date(askedAt.getTime() + job.policy.timeouts.graceMs)
        : null;
    };
    return this.#earliest(graceEnd, before, limit);
  }

  async listQueueTimedOut(now: Date, limit: number): Promise<readonly Job[]> {
    return this.#earliest(
      (job) => (job.state === "pending" ? queueDeadline(job) : null),
      now,
      limit,
    );
  }

  async countUnfinished(): Promise<number> {
    return this.#unfinished().length;
  }

  /** Unfinished jobs whose instant `dueAt` has come, the earliest first. */
  #earliest(dueAt: (job: Job) => Date | null, now: Date, limit: number): readonly Job[] {
    return this.#unfinished()
      .flatMap((job) => {
        const at = dueAt(job);
        return at !== null && at <= now ? [{ job, at }] : [];
      })
      .toSorted((a, b) => a.at.getTime() - b.at.getTime() || compareText(a.job.id, b.job.id))
      .slice(0, limit)
      .map(({ job }) => job);
  }

  #unfinished(): Job[] {
    return [...this.#tables.unfinishedJobs.values()].map(({ job }) => job);
  }

  #getRow(id: JobId): JobRow {
    const row = findJobRow(this.#tables, id);
    if (row === undefined) throw new PlatformError("not_found", "job_not_found", `no job ${id}`);
    return row;
  }
}

export class MemoryJobStore extends MemoryJobReader implements JobStore {
  readonly #draft: DraftTables;
  readonly #queueLimits: QueueLimits;

  constructor(draft: DraftTables, queueLimits: QueueLimits) {
    super(draft);
    this.#draft = draft;
    this.#queueLimits = queueLimits;
  }

  async insert(jobs: readonly NewJob[]): Promise<readonly InsertedJob[]> {
    this.#draft.ensureOpen();
    return insertJobRows(this.#draft, jobs, this.#queueLimits);
  }

  lock(id: JobId): Promise<Job> {
    return this.get(id);
  }

  async lockAll(ids: readonly JobId[]): Promise<readonly Job[]> {
    return ids.flatMap((id) => findJobRow(this.#draft, id)?.job ?? []);
  }

  async updateAll(changes: readonly JobChange[]): Promise<readonly Job[]> {
    const jobs = [];
    for (const { job, events, attempt } of changes) {
      jobs.push(await this.update(job, events));
      storeAttempt(this.#draft, attempt);
    }
    return jobs;
  }

  async update(job: Job, events: readonly JobEvent[]): Promise<Job> {
    this.#draft.ensureOpen();
    const row = findLiveRow(this.#draft, job.id);
    if (row?.job.version !== job.version) {
      throw new PlatformError(
        "conflict",
        "stale_version",
        `job ${job.id} is not at version ${job.version} any more`,
      );
    }
    const stored = { ...job, version: job.version + 1 };
    storeJobRow(this.#draft, { ...row, job: stored });
    this.#draft.newEvents.push(...jobEventRecords(stored, events));
    return stored;
  }

  async moveFinished(
    endedUntil: Date,
    limit: number,
    keptUntil: (job: EndedJob) => Date,
  ): Promise<number> {
    this.#draft.ensureOpen();
    const endOf = ({ job }: JobRow) => job.finishedAt?.getTime() ?? Number.POSITIVE_INFINITY;
    const awaited = new Set(
      Array.from(this.#draft.dependencies.values(), ({ afterId }) => afterId),
    );
    const rows = [...this.#draft.finishedJobs.values()]
      .filter((row) => endOf(row) <= endedUntil.getTime() && !awaited.has(row.job.id))
      .toSorted((a, b) => endOf(a) - endOf(b) || compareText(a.job.id, b.job.id))
      .slice(0, limit);
    for (const row of rows) {
      this.#draft.finishedJobs.delete(row.job.id);
      this.#draft.movedJobs.set(row.job.id, { ...row, keptUntil: keptUntil(this.#ended(row)) });
    }
    return rows.length;
  }

  /** Jobs are kept for as long as the process lives, and so are their keys. */
  async forgetKeys(): Promise<null> {
    this.#draft.ensureOpen();
    return null;
  }

  #ended({ job, spec }: JobRow): EndedJob {
    const { tenantId, finishedAt } = job;
    invariant(finishedAt !== null, "only jobs that have ended move");
    const attempt = this.#draft.attempts.get(attemptKey({ jobId: job.id, number: job.attempt }));
    const worker = attempt && this.#draft.workers.get(attempt.workerId);
    return { tenantId, finishedAt, retentionMs: spec.retentionMs, pool: worker?.pool ?? null };
  }
}

/** Stores the jobs, as `Database.insertJobs` says. @throws PlatformError `resource_exhausted` */
export function insertJobRows(
  draft: DraftTables,
  newJobs: readonly NewJob[],
  { tenantCount, totalCount }: QueueLimits,
): readonly InsertedJob[] {
  const inserted = newJobs.map((newJob) => insertJob(draft, newJob));
  const added = inserted.filter(({ created }) => created).map(({ job }) => job.tenantId);
  if (added.length === 0 || (tenantCount === null && totalCount === null)) return inserted;
  const queued = [...draft.unfinishedJobs.values()]
    .filter(({ job }) => job.startedAttempts === 0)
    .map(({ job }) => job.tenantId);
  if (totalCount !== null && queued.length > totalCount) {
    throw queueFull(queued.length - added.length, totalCount, "of all tenants");
  }
  for (const tenantId of new Set(added)) {
    const countOf = (tenants: readonly TenantId[]) =>
      tenants.filter((other) => other === tenantId).length;
    const count = countOf(queued);
    if (tenantCount !== null && count > tenantCount) {
      throw queueFull(count - countOf(added), tenantCount, "of the tenant");
    }
  }
  return inserted;
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

export function findJobRow(tables: Tables, id: string): JobRow | undefined {
  return findLiveRow(tables, id) ?? tables.movedJobs.get(id);
}

/** Of a job that has not moved: only such a one can change. */
export function findLiveRow(
  { unfinishedJobs, finishedJobs }: Tables,
  id: string,
): JobRow | undefined {
  return unfinishedJobs.get(id) ?? finishedJobs.get(id);
}

function storeJobRow({ unfinishedJobs, finishedJobs }: Tables, row: JobRow): void {
  const { id, state } = row.job;
  if (isTerminal(state)) {
    unfinishedJobs.delete(id);
    finishedJobs.set(id, row);
  } else {
    unfinishedJobs.set(id, row);
  }
}

function mayWaitAt(job: Job, now: Date): boolean {
  const until = queueDeadline(job);
  return until === null || until > now;
}

function passes(filter: JobFilter, job: Job): boolean {
  const { tenantId, states, labels = {}, nameContains = "", createdAfter, createdBefore } = filter;
  return (
    job.tenantId === tenantId &&
    (states === undefined || states.length === 0 || states.includes(job.state)) &&
    Object.entries(labels).every(([label, value]) => job.labels[label] === value) &&
    job.name.toLowerCase().includes(nameContains.toLowerCase()) &&
    (createdAfter === undefined || job.createdAt > createdAfter) &&
    (createdBefore === undefined || job.createdAt < createdBefore)
  );
}
