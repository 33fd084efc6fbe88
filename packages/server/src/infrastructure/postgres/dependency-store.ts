import type {
  Awaited,
  DependencyCondition,
  DependencyReader,
  DependencyStore,
  JobId,
  JobState,
  JudgedDependency,
} from "@hodei/domain";
import type { Sql, Statement } from "./sql.ts";

/**
 * From the ends to those that wait: there are few of the former, and of the latter perhaps very many. Where nothing is
 * waited for, nothing is read.
 */
const LIST_SETTLED_SINCE: Statement = {
  name: "dependency_list_settled_since",
  text: `
    with ended as materialized (
      select id from job where finished_at >= $2 and exists (select from job_dependency)
    )
    select distinct d.job_id from ended join job_dependency d on d.after_id = ended.id
    limit $1`,
};

const LIST_SETTLED_OF: Statement = {
  name: "dependency_list_settled_of",
  text: `
    select distinct d.job_id from job_dependency d join job a on a.id = d.after_id
    where d.after_id = any($2::uuid[]) and a.finished_at is not null
    limit $1`,
};

const LIST_OF: Statement = {
  name: "dependency_list_of",
  text: `
    select d.job_id, d.after_id, d.condition, a.state
    from job_dependency d join job a on a.id = d.after_id
    where d.job_id = any($1::uuid[])
    order by d.job_id, d.after_id`,
};

/** The tenant is that of the job. `$1`: jobs, `$2`: what they wait for, `$3`: conditions. */
const INSERT: Statement = {
  name: "dependency_insert",
  text: `
    insert into job_dependency (job_id, after_id, tenant_id, condition)
    select d.job_id, d.after_id, j.tenant_id, d.condition
    from unnest($1::uuid[], $2::uuid[], $3::text[]) as d(job_id, after_id, condition)
    join job j on j.id = d.job_id`,
};

const REMOVE: Statement = {
  name: "dependency_remove",
  text: `
    delete from job_dependency d using unnest($1::uuid[], $2::uuid[]) as gone(job_id, after_id)
    where d.job_id = gone.job_id and d.after_id = gone.after_id`,
};

interface DependencyRow {
  readonly job_id: string;
  readonly after_id: string;
  readonly condition: DependencyCondition;
  readonly state: JobState;
}

export class PostgresDependencyReader implements DependencyReader {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  async listSettled(ended: readonly JobId[] | Date, limit: number): Promise<readonly JobId[]> {
    if (!(ended instanceof Date) && ended.length === 0) return [];
    const statement = ended instanceof Date ? LIST_SETTLED_SINCE : LIST_SETTLED_OF;
    const rows = await this.#sql.run<Pick<DependencyRow, "job_id">>(statement, [limit, ended]);
    return rows.map(({ job_id }) => job_id as JobId);
  }

  async listOf(jobIds: readonly JobId[]): Promise<readonly JudgedDependency[]> {
    if (jobIds.length === 0) return [];
    const rows = await this.#sql.run<DependencyRow>(LIST_OF, [jobIds]);
    return rows.map(({ job_id, after_id, condition, state }) => ({
      jobId: job_id as JobId,
      afterId: after_id as JobId,
      condition,
      afterState: state,
    }));
  }
}

export class PostgresDependencyStore extends PostgresDependencyReader implements DependencyStore {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    super(sql);
    this.#sql = sql;
  }

  async insert(dependencies: readonly Awaited[]): Promise<void> {
    if (dependencies.length === 0) return;
    const conditions = dependencies.map(({ condition }) => condition);
    await this.#sql.run(INSERT, [...idColumns(dependencies), conditions]);
  }

  async remove(dependencies: readonly Awaited[]): Promise<void> {
    if (dependencies.length === 0) return;
    await this.#sql.run(REMOVE, idColumns(dependencies));
  }
}

function idColumns(dependencies: readonly Awaited[]): JobId[][] {
  return [dependencies.map(({ jobId }) => jobId), dependencies.map(({ afterId }) => afterId)];
}
