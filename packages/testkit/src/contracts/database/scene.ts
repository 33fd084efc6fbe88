import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import {
  applyAttemptEvent,
  applyJobEvents,
  type Database,
  type EventCursor,
  type EventFilter,
  type EventRecord,
  invariant,
  type Job,
  type JobEvent,
  type JobId,
  type JobSpec,
  type LeaseToken,
  type NewJob,
  outcomeOf,
  type StoredEvent,
  type TenantId,
  type Worker,
  type WorkerId,
} from "@hodei/domain";
import { after, aJobSpec, aNewJob, anAttempt, aWorker } from "../../builders.ts";
import { SequenceIds } from "../../sequence-ids.ts";

/** An empty database, and what the contract needs to know beside it. */
export interface DatabaseFixture {
  readonly database: Database;
  /** What was reported after each commit, in order. */
  readonly commits: readonly (readonly EventRecord[])[];
  close(): Promise<void>;
}

export type Open = (context: TestContext) => Promise<Scene>;

export interface NewJobParts {
  readonly spec?: Partial<JobSpec>;
  readonly idempotencyKey?: string;
  readonly tenantId?: TenantId;
  /** Milliseconds after `START`. */
  readonly createdAtMs?: number;
}

/** A database with the few steps of a job's life that the tests need. */
export class Scene {
  readonly database: Database;
  readonly commits: DatabaseFixture["commits"];
  readonly ids = new SequenceIds();

  constructor({ database, commits }: DatabaseFixture) {
    this.database = database;
    this.commits = commits;
  }

  /** Types of all reported events. */
  get committedTypes(): readonly string[] {
    return this.commits.flat().map(({ type }) => type);
  }

  newJob({ spec, idempotencyKey, tenantId, createdAtMs = 0 }: NewJobParts = {}): NewJob {
    const id = this.ids.next() as JobId;
    const facts = { id, correlationId: `of ${id}`, now: after(createdAtMs) };
    return aNewJob(tenantId === undefined ? facts : { ...facts, tenantId }, {
      spec: aJobSpec(spec),
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    });
  }

  /** A stored pending job. */
  async pendingJob(parts: NewJobParts = {}): Promise<Job> {
    const [inserted] = await this.database.insertJobs([this.newJob(parts)]);
    invariant(inserted !== undefined, "one job in, one job out");
    return inserted.job;
  }

  /** Assigned to `workerId`, acknowledged until `acknowledgeBy`. */
  async assignedJob(
    {
      workerId = this.ids.next() as WorkerId,
      acknowledgeBy = after(10_000),
    }: { readonly workerId?: WorkerId; readonly acknowledgeBy?: Date } = {},
    parts: NewJobParts = {},
  ): Promise<Job> {
    const { id } = await this.pendingJob(parts);
    const token = this.ids.next() as LeaseToken;
    return this.database.transact(async ({ jobs }) => {
      const job = await jobs.lock(id);
      const event: JobEvent = {
        type: "assigned",
        at: after(1),
        lease: { token, workerId, acknowledgeBy },
      };
      const facts = { jobId: id, number: job.attempt + 1, workerId, leaseToken: token };
      const change = { job: applyJobEvents(job, [event]), events: [event] };
      return only(await jobs.updateAll([{ ...change, attempt: anAttempt(facts) }]));
    });
  }

  async runningJob(
    lease: { readonly workerId?: WorkerId } = {},
    parts: NewJobParts = {},
  ): Promise<Job> {
    const assigned = await this.assignedJob(lease, parts);
    return this.database.transact(async ({ jobs, attempts }) => {
      const attempt = await attempts.find(assigned.id, assigned.attempt);
      invariant(attempt !== undefined, "an assigned job has an attempt");
      const event = { type: "started", at: after(2) } as const;
      const change = { job: applyJobEvents(assigned, [event]), events: [event] };
      const started = { ...change, attempt: applyAttemptEvent(attempt, event) };
      return only(await jobs.updateAll([started]));
    });
  }

  async succeededJob(parts: NewJobParts = {}): Promise<Job> {
    const running = await this.runningJob({}, parts);
    const outcome = outcomeOf("completed", "");
    return this.change(running, { type: "succeeded", at: after(3), outcome });
  }

  /** Applies `events` to the stored job in one write. */
  change({ id }: Job, ...events: readonly JobEvent[]): Promise<Job> {
    return this.database.transact(async ({ jobs }) =>
      jobs.update(applyJobEvents(await jobs.lock(id), events), events),
    );
  }

  async worker(parts: Partial<Worker> = {}): Promise<Worker> {
    const worker = aWorker({ id: this.ids.next() as WorkerId, ...parts });
    await this.database.transact(({ workers }) => workers.insert(worker, "request/1"));
    return worker;
  }
}

function only(jobs: readonly Job[]): Job {
  const [job] = jobs;
  invariant(job !== undefined && jobs.length === 1, "one change in, one job out");
  return job;
}

export function withoutCursor({ cursor, ...record }: StoredEvent) {
  assert.notEqual(cursor, "");
  return record;
}

/** Everything that passes, read in pages of `limit`. */
export async function readEvents(
  database: Database,
  filter: EventFilter,
  limit: number,
): Promise<StoredEvent[]> {
  const found: StoredEvent[] = [];
  let cursor: EventCursor = "";
  for (;;) {
    const { events, nextCursor } = await database.readers.events.list(filter, cursor, limit);
    assert.ok(events.length <= limit);
    found.push(...events);
    if (nextCursor === cursor) return found;
    cursor = nextCursor;
  }
}
