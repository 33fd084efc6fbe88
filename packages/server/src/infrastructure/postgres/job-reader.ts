import {
  byUrgency,
  type Candidate,
  type Concurrency,
  type DuePosition,
  type HeldAttempt,
  isPreemptible,
  type Job,
  type JobFilter,
  type JobId,
  type JobReader,
  type JobSpec,
  type Page,
  type PageRequest,
  type PlacementTerms,
  PlatformError,
  type RateLimit,
  type Requirements,
  type TenantEnd,
  type TenantId,
  type WorkerId,
} from "@hodei/domain";
import { listJobs } from "./job-list.ts";
import { fromJobRow, SELECT_FINISHED_JOB, SELECT_JOB, type StoredJobRow } from "./job-row.ts";
import { fromSpecColumns, type SpecColumns } from "./spec-columns.ts";
import type { Sql, Statement } from "./sql.ts";

const FIND: Statement = {
  name: "job_find",
  text: `${SELECT_JOB} where j.id = any($1::uuid[])`,
};

const FIND_FINISHED: Statement = {
  name: "job_find_finished",
  text: `${SELECT_FINISHED_JOB} where f.id = any($1::uuid[])`,
};

const FIND_KEPT_UNTIL: Statement = {
  name: "job_find_kept_until",
  text: "select kept_until from finished_job where id = $1",
};

const GET_SPECS: Statement = {
  name: "job_get_specs",
  text: "select job_id as id, name, labels, policy, spec from job_spec where job_id = any($1::uuid[])",
};

const GET_FINISHED_SPECS: Statement = {
  name: "job_get_finished_specs",
  text: "select id, name, labels, policy, spec from finished_job where id = any($1::uuid[])",
};

const SELECT_DUE = `
  select j.id, j.tenant_id, j.version, j.priority, j.urgent_since, j.claimed_worker_id,
    s.policy -> 'requirements' as requirements, s.policy -> 'placement' as placement,
    s.policy -> 'concurrency' as concurrency, s.policy -> 'rateLimit' as rate_limit
  from job j join job_spec s on s.job_id = j.id
  where j.state = 'pending' and not j.is_blocked and (j.run_at <= $1 or j.claimed_worker_id is not null)
    and (j.queue_deadline_at is null or j.queue_deadline_at > $1)`;

const LIST_DUE: Statement = {
  name: "job_list_due",
  text: `${SELECT_DUE} order by j.urgent_since, j.id limit $2`,
};

const LIST_DUE_AFTER: Statement = {
  name: "job_list_due_after",
  text: `
    ${SELECT_DUE} and (j.urgent_since, j.id) > ($2::timestamptz, $3::uuid)
    order by j.urgent_since, j.id limit $4`,
};

/** Before every job in the order of urgency. */
const FIRST_POSITION = ["-infinity", "00000000-0000-0000-0000-000000000000"] as const;

/**
 * Of each tenant that has jobs waiting its even share of the limit, and nothing if there is one tenant. Tenants are found by
 * skipping from one to the next in the index. Their jobs are asked for as a range, for a plan that took the other index
 * would look through the jobs of all tenants for those of each.
 */
const LIST_DUE_OF_TENANTS: Statement = {
  name: "job_list_due_of_tenants",
  text: `
    with recursive found as (
      (select j.tenant_id from job j where j.state = 'pending' and not j.is_blocked
        order by j.tenant_id limit 1)
      union all
      select (
        select j.tenant_id from job j
        where j.state = 'pending' and not j.is_blocked and j.tenant_id > f.tenant_id
        order by j.tenant_id limit 1)
      from found f where f.tenant_id is not null),
    tenant as materialized (select tenant_id from found where tenant_id is not null)
    select due.* from tenant t, lateral (
      ${SELECT_DUE} and j.tenant_id >= t.tenant_id and j.tenant_id <= t.tenant_id
      order by j.tenant_id, j.urgent_since, j.id
      limit (select greatest(1, $2::bigint / count(*)) from tenant)) due
    where (select count(*) from tenant) > 1
    order by due.urgent_since, due.id limit $2`,
};

const FIND_DUE: Statement = {
  name: "job_find_due",
  text: `${SELECT_DUE} and j.id = any($2::uuid[])`,
};

const NEXT_DUE_AT: Statement = {
  name: "job_next_due_at",
  text: `
    select least(
      (select min(run_at) from job where state = 'pending' and run_at > $1),
      (select min(queue_deadline_at) from job where state = 'pending' and queue_deadline_at > $1)) as at`,
};

const SELECT_HELD = `
    select j.id, j.lease_worker_id, j.tenant_id, j.priority, j.cancel_requested_at, j.preempted_by, j.preemption_count,
      s.policy -> 'requirements' as requirements, s.policy -> 'preemptible' as preemptible,
      case when j.state = 'running' then j.started_at end as started_at
    from job j join job_spec s on s.job_id = j.id
    where j.state in ('assigned', 'running')`;

const LIST_HELD: Statement = { name: "job_list_held", text: SELECT_HELD };

const FIND_HELD: Statement = {
  name: "job_find_held",
  text: `${SELECT_HELD} and j.id = any($1::uuid[])`,
};

const LIST_LAST_ENDS: Statement = {
  name: "job_list_last_ends",
  text: `
    select tenant_id, finished_at from (
      select j.tenant_id, j.started_at, j.finished_at from job j where j.finished_at is not null
      order by j.finished_at desc, j.id desc limit $1) ended
    where started_at is not null`,
};

const LIST_OF_WORKERS: Statement = {
  name: "job_list_of_workers",
  text: `${SELECT_JOB} where j.state in ('assigned', 'running') and j.lease_worker_id = any($1::uuid[])`,
};

const LIST_UNACKNOWLEDGED: Statement = {
  name: "job_list_unacknowledged",
  text: `
    ${SELECT_JOB} where j.state = 'assigned' and j.acknowledge_by <= $1
    order by j.acknowledge_by, j.id limit $2`,
};

/** No index of its own: those that run are few, and what a cancel writes stays out of the indexes. */
const END_ASKED_AT = "least(j.cancel_requested_at, j.preempt_requested_at)";
const CANCEL_GRACE_END = `${END_ASKED_AT}
  + (s.policy -> 'timeouts' ->> 'graceMs')::float8 * interval '1 millisecond'`;

const LIST_CANCEL_OVERDUE: Statement = {
  name: "job_list_cancel_overdue",
  text: `
    ${SELECT_JOB}
    where j.state in ('assigned', 'running') and j.state = 'running' and ${END_ASKED_AT} is not null
      and ${CANCEL_GRACE_END} <= $1
    order by ${CANCEL_GRACE_END}, j.id limit $2`,
};

const LIST_QUEUE_TIMED_OUT: Statement = {
  name: "job_list_queue_timed_out",
  text: `
    ${SELECT_JOB} where j.state = 'pending' and j.queue_deadline_at <= $1
    order by j.queue_deadline_at, j.id limit $2`,
};

const COUNT_UNFINISHED: Statement = {
  name: "job_count_unfinished",
  text: `
    select (select count(*) from job where state = 'pending')
      + (select count(*) from job where state in ('assigned', 'running')) as count`,
};

interface CandidateRow {
  readonly id: string;
  readonly tenant_id: string;
  readonly version: number;
  readonly priority: number;
  readonly urgent_since: Date;
  readonly claimed_worker_id: string | null;
  readonly requirements: Requirements;
  readonly placement: PlacementTerms;
  readonly concurrency: Concurrency | null;
  readonly rate_limit: RateLimit | null;
}

interface HeldRow {
  readonly id: string;
  readonly lease_worker_id: string;
  readonly tenant_id: string;
  readonly priority: number;
  readonly cancel_requested_at: Date | null;
  readonly preempted_by: string | null;
  readonly preemption_count: number;
  readonly requirements: Requirements;
  readonly preemptible: boolean;
  readonly started_at: Date | null;
}

interface EndRow {
  readonly tenant_id: string;
  readonly finished_at: Date;
}

export class PostgresJobReader implements JobReader {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  async get(id: JobId): Promise<Job> {
    return (await this.find(id)) ?? jobNotFound(id);
  }

  async find(id: JobId): Promise<Job | undefined> {
    const [row] = await findAll<StoredJobRow>(this.#sql, FIND, FIND_FINISHED, [id]);
    return row && fromJobRow(row);
  }

  async getSpec(id: JobId): Promise<JobSpec> {
    return (await this.getSpecs([id])).get(id) ?? jobNotFound(id);
  }

  async getSpecs(ids: readonly JobId[]): Promise<ReadonlyMap<JobId, JobSpec>> {
    type SpecRow = SpecColumns & { readonly id: string };
    const rows = await findAll<SpecRow>(this.#sql, GET_SPECS, GET_FINISHED_SPECS, ids);
    return new Map(rows.map((row) => [row.id as JobId, fromSpecColumns(row)]));
  }

  async findKeptUntil(id: JobId): Promise<Date | undefined> {
    const [row] = await this.#sql.run<{ readonly kept_until: Date }>(FIND_KEPT_UNTIL, [id]);
    return row?.kept_until;
  }

  list(filter: JobFilter, page: PageRequest): Promise<Page<Job>> {
    return listJobs(this.#sql, filter, page);
  }

  async listDue(now: Date, limit: number): Promise<readonly Candidate[]> {
    const urgent = await this.#sql.run<CandidateRow>(LIST_DUE, [now, limit]);
    if (urgent.length < limit) return urgent.map(toCandidate);
    const own = await this.#sql.run<CandidateRow>(LIST_DUE_OF_TENANTS, [now, limit]);
    if (own.length === 0) return urgent.map(toCandidate);
    const ids = new Set(own.map(({ id }) => id));
    const others = urgent.filter(({ id }) => !ids.has(id)).slice(0, limit - own.length);
    return [...own, ...others].map(toCandidate).toSorted(byUrgency);
  }

  async listDueAfter(
    position: DuePosition | null,
    now: Date,
    limit: number,
  ): Promise<readonly Candidate[]> {
    const after = position === null ? FIRST_POSITION : [position.urgentSince, position.jobId];
    return (await this.#sql.run<CandidateRow>(LIST_DUE_AFTER, [now, ...after, limit])).map(
      toCandidate,
    );
  }

  async findDue(ids: readonly JobId[], now: Date): Promise<readonly Candidate[]> {
    return (await this.#sql.run<CandidateRow>(FIND_DUE, [now, ids])).map(toCandidate);
  }

  async nextDueAt(now: Date): Promise<Date | null> {
    const [row] = await this.#sql.run<{ readonly at: Date | null }>(NEXT_DUE_AT, [now]);
    return row?.at ?? null;
  }

  async listHeld(): Promise<readonly HeldAttempt[]> {
    const rows = await this.#sql.run<HeldRow>(LIST_HELD, []);
    return rows.map(toHeldAttempt);
  }

  async findHeld(ids: readonly JobId[]): Promise<readonly HeldAttempt[]> {
    return (await this.#sql.run<HeldRow>(FIND_HELD, [ids])).map(toHeldAttempt);
  }

  async listLastEnds(limit: number): Promise<readonly TenantEnd[]> {
    const rows = await this.#sql.run<EndRow>(LIST_LAST_ENDS, [limit]);
    return rows.map(({ tenant_id, finished_at }) => ({
      tenantId: tenant_id as TenantId,
      at: finished_at,
    }));
  }

  async listOfWorkers(workerIds: readonly WorkerId[]): Promise<readonly Job[]> {
    return (await this.#sql.run<StoredJobRow>(LIST_OF_WORKERS, [workerIds])).map(fromJobRow);
  }

  async listUnacknowledged(now: Date, limit: number): Promise<readonly Job[]> {
    return (await this.#sql.run<StoredJobRow>(LIST_UNACKNOWLEDGED, [now, limit])).map(fromJobRow);
  }

  async listCancelOverdue(before: Date, limit: number): Promise<readonly Job[]> {
    return (await this.#sql.run<StoredJobRow>(LIST_CANCEL_OVERDUE, [before, limit])).map(
      fromJobRow,
    );
  }

  async listQueueTimedOut(now: Date, limit: number): Promise<readonly Job[]> {
    return (await this.#sql.run<StoredJobRow>(LIST_QUEUE_TIMED_OUT, [now, limit])).map(fromJobRow);
  }

  async countUnfinished(): Promise<number> {
    const [row] = await this.#sql.run<{ readonly count: number }>(COUNT_UNFINISHED, []);
    return row?.count ?? 0;
  }
}

/** Rows of those of the jobs that exist, in no order. Most are where jobs live; what has moved from there is found after it. */
async function findAll<Row extends { readonly id: string }>(
  sql: Sql,
  live: Statement,
  finished: Statement,
  ids: readonly JobId[],
): Promise<readonly Row[]> {
  const rows = await sql.run<Row>(live, [ids]);
  if (rows.length === ids.length) return rows;
  const found = new Set(rows.map(({ id }) => id));
  const missing = ids.filter((id) => !found.has(id));
  return missing.length === 0 ? rows : [...rows, ...(await sql.run<Row>(finished, [missing]))];
}

function toCandidate(row: CandidateRow): Candidate {
  return {
    jobId: row.id as JobId,
    tenantId: row.tenant_id as TenantId,
    version: row.version,
    priority: row.priority,
    urgentSince: row.urgent_since,
    requirements: row.requirements,
    placement: row.placement,
    concurrency: row.concurrency,
    rateLimit: row.rate_limit,
    claimedWorkerId: row.claimed_worker_id as WorkerId | null,
  };
}

function toHeldAttempt(row: HeldRow): HeldAttempt {
  return {
    jobId: row.id as JobId,
    workerId: row.lease_worker_id as WorkerId,
    tenantId: row.tenant_id as TenantId,
    requirements: row.requirements,
    startedAt: row.started_at,
    priority: row.priority,
    isPreemptible: isPreemptible(row, row.preemption_count),
    isEnding: row.cancel_requested_at !== null || row.preempted_by !== null,
    endingFor: row.preempted_by as JobId | null,
  };
}

/** Those of the jobs that have moved out of where jobs live. */
export async function findFinishedJobs(sql: Sql, ids: readonly JobId[]): Promise<readonly Job[]> {
  return (await sql.run<StoredJobRow>(FIND_FINISHED, [ids])).map(fromJobRow);
}

export function jobNotFound(id: JobId): never {
  throw new PlatformError("not_found", "job_not_found", `no job ${id}`);
}
