import {
  isTerminal,
  type Job,
  type JobFilter,
  type JobState,
  type Page,
  type PageRequest,
} from "@hodei/domain";
import { fromJobRow, SELECT_JOB, type StoredJobRow } from "./job-row.ts";
import { parsePageToken, toPage } from "./page-token.ts";
import type { Sql } from "./sql.ts";

/**
 * One page of jobs, newest first. The statement is put together for each filter, as PostgreSQL can use a partial index
 * only when the states stand in the text; they come from a closed set.
 */
export async function listJobs(
  sql: Sql,
  filter: JobFilter,
  { limit, token }: PageRequest,
): Promise<Page<Job>> {
  const values: unknown[] = [];
  const bind = (value: unknown): string => `$${values.push(value)}`;
  const states = filter.states ?? [];
  // Both tables have both columns; the one named is the one whose index gives the order.
  const [owner, createdAt, id] =
    states.length > 0 && !states.includes("succeeded")
      ? ["j.tenant_id", "j.created_at", "j.id"]
      : ["s.tenant_id", "s.created_at", "s.job_id"];
  const conditions = [`${owner} = ${bind(filter.tenantId)}`];
  if (states.length > 0) conditions.push(stateCondition(states));
  if (Object.keys(filter.labels ?? {}).length > 0) {
    conditions.push(`s.labels <> '{}' and s.labels @> ${bind(filter.labels)}::jsonb`);
  }
  if (filter.nameContains) {
    conditions.push(`position(lower(${bind(filter.nameContains)}) in lower(s.name)) > 0`);
  }
  if (filter.createdAfter) conditions.push(`${createdAt} > ${bind(filter.createdAfter)}`);
  if (filter.createdBefore) conditions.push(`${createdAt} < ${bind(filter.createdBefore)}`);
  if (token !== null) {
    const last = parsePageToken(token);
    conditions.push(`(${createdAt}, ${id}) < (${bind(last.createdAt)}, ${bind(last.id)}::uuid)`);
  }
  const text = `${SELECT_JOB} where ${conditions.join(" and ")}
    order by ${createdAt} desc, ${id} desc limit ${bind(limit + 1)}`;
  return toPage((await sql.run<StoredJobRow>({ text }, values)).map(fromJobRow), limit);
}

/** One term for each partial index, so that PostgreSQL can read several of them. */
function stateCondition(states: readonly JobState[]): string {
  const groups = [
    states.filter((state) => state === "pending"),
    states.filter((state) => state === "assigned" || state === "running"),
    states.filter(isTerminal),
  ].filter((group) => group.length > 0);
  const terms = groups.map((group) => `j.state in (${group.map((s) => `'${s}'`).join(", ")})`);
  return `(${terms.join(" or ")})`;
}
