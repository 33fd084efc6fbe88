import {
  isTerminal,
  type Job,
  type JobFilter,
  type JobState,
  type Page,
  type PageRequest,
} from "@hodei/domain";
import { fromJobRow, SELECT_FINISHED_JOB, SELECT_JOB, type StoredJobRow } from "./job-row.ts";
import { type PagePosition, parsePageToken, toPage } from "./page-token.ts";
import type { Sql } from "./sql.ts";

/** Where jobs are, and which columns a list goes by. */
interface Source {
  /** Goes on with `where`. */
  readonly select: string;
  /** Columns of the table whose index gives the order. */
  readonly tenantId: string;
  readonly createdAt: string;
  readonly id: string;
  /** What has the spec's columns. */
  readonly spec: string;
  /** What has the state. */
  readonly job: string;
}

const FINISHED: Source = {
  select: SELECT_FINISHED_JOB,
  tenantId: "f.tenant_id",
  createdAt: "f.created_at",
  id: "f.id",
  spec: "f",
  job: "f",
};

/** Both tables have all of the columns of the order. */
function liveSource(states: readonly JobState[]): Source {
  const byState = states.length > 0 && !states.includes("succeeded");
  const both = { select: SELECT_JOB, spec: "s", job: "j" };
  return byState
    ? { ...both, tenantId: "j.tenant_id", createdAt: "j.created_at", id: "j.id" }
    : { ...both, tenantId: "s.tenant_id", createdAt: "s.created_at", id: "s.job_id" };
}

/**
 * One page of jobs, newest first, of both places where jobs are: in one statement, so that it has a job that is just
 * moving once. The statement is put together for each filter, as PostgreSQL can use a partial index only when the states
 * stand in the text; they come from a closed set.
 */
export async function listJobs(
  sql: Sql,
  filter: JobFilter,
  { limit, token }: PageRequest,
): Promise<Page<Job>> {
  const values: unknown[] = [];
  const bind = (value: unknown): string => `$${values.push(value)}`;
  const last = token === null ? undefined : parsePageToken(token);
  const states = filter.states ?? [];
  const hasFinished = states.length === 0 || states.some(isTerminal);
  const rows = bind(limit + 1);
  const parts = [liveSource(states), ...(hasFinished ? [FINISHED] : [])].map((source) => {
    const conditions = toConditions(source, { filter, last, bind });
    return `(${source.select} where ${conditions.join(" and ")}
      order by ${source.createdAt} desc, ${source.id} desc limit ${rows})`;
  });
  const text = `
    select * from (${parts.join(" union all ")}) as listed
    order by created_at desc, id desc limit ${rows}`;
  return toPage((await sql.run<StoredJobRow>({ text }, values)).map(fromJobRow), limit);
}

interface Wanted {
  readonly filter: JobFilter;
  /** What the page comes after. */
  readonly last: PagePosition | undefined;
  /** Adds a parameter and returns its name. */
  readonly bind: (value: unknown) => string;
}

function toConditions(source: Source, { filter, last, bind }: Wanted): readonly string[] {
  const { createdAt, id, spec } = source;
  const { states = [], labels = {}, nameContains, createdAfter, createdBefore } = filter;
  const conditions = [`${source.tenantId} = ${bind(filter.tenantId)}`];
  if (states.length > 0) conditions.push(stateCondition(`${source.job}.state`, states));
  if (Object.keys(labels).length > 0) {
    conditions.push(`${spec}.labels <> '{}' and ${spec}.labels @> ${bind(labels)}::jsonb`);
  }
  if (nameContains) {
    conditions.push(`position(lower(${bind(nameContains)}) in lower(${spec}.name)) > 0`);
  }
  if (createdAfter) conditions.push(`${createdAt} > ${bind(createdAfter)}`);
  if (createdBefore) conditions.push(`${createdAt} < ${bind(createdBefore)}`);
  if (last !== undefined) {
    conditions.push(`(${createdAt}, ${id}) < (${bind(last.createdAt)}, ${bind(last.id)}::uuid)`);
  }
  return conditions;
}

/** One term for each partial index, so that PostgreSQL can read several of them. */
function stateCondition(column: string, states: readonly JobState[]): string {
  const groups = [
    states.filter((state) => state === "pending"),
    states.filter((state) => state === "assigned" || state === "running"),
    states.filter(isTerminal),
  ].filter((group) => group.length > 0);
  const terms = groups.map((group) => `${column} in (${group.map((s) => `'${s}'`).join(", ")})`);
  return `(${terms.join(" or ")})`;
}
