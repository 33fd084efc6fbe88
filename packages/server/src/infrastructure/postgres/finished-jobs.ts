import { ATTEMPT_COLUMNS } from "./attempt-reader.ts";
import { JOB_COLUMNS } from "./job-row.ts";
import type { Sql, Statement } from "./sql.ts";

/** Holds for rows of `job_key` whose job was dropped. A key and its job are committed together, so one shows with the other. */
export const IS_JOB_GONE = `not exists (select from job j where j.id = job_key.job_id)
      and not exists (select from finished_job f where f.id = job_key.job_id)`;

const SPEC_COLUMNS = ["name", "labels", "policy", "spec"];

const list = (columns: readonly string[], table?: string): string =>
  columns.map((column) => (table === undefined ? column : `${table}.${column}`)).join(", ");

/**
 * One statement, so that every reader finds a job in exactly one place. What somebody else holds is left for another time,
 * and so is a job whose end those that wait for it have not been told of.
 * Arrays, because a join with rows whose number the planner does not know could read whole tables. `$1`: ended until then,
 * `$2`: rows.
 */
const MOVE: Statement = {
  name: "job_move_finished",
  text: `
    with ended as materialized (
      select id from job where finished_at <= $1
        and not exists (select from job_dependency where after_id = job.id)
      order by finished_at, id limit $2
      for update skip locked
    ), job_left as (
      delete from job where id = any(array(select id from ended))
      returning ${list(JOB_COLUMNS)}
    ), spec_left as (
      delete from job_spec where job_id = any(array(select id from ended))
      returning job_id, ${list(SPEC_COLUMNS)}
    ), attempt_left as (
      delete from attempt where job_id = any(array(select id from ended))
      returning ${list(ATTEMPT_COLUMNS)}
    ), moved_attempt as (
      insert into finished_attempt (job_finished_at, ${list(ATTEMPT_COLUMNS)})
      select j.finished_at, ${list(ATTEMPT_COLUMNS, "a")} from attempt_left a join job_left j on j.id = a.job_id
    ), moved_job as (
      insert into finished_job (${list(JOB_COLUMNS)}, ${list(SPEC_COLUMNS)})
      select ${list(JOB_COLUMNS, "j")}, ${list(SPEC_COLUMNS, "s")} from job_left j join spec_left s on s.job_id = j.id
      returning id
    )
    select count(*)::integer as count from moved_job`,
};

const FORGET_KEYS: Statement = {
  name: "job_forget_keys",
  text: `
    with gone as (
      delete from job_key where (tenant_id, key) in (
        select tenant_id, key from job_key where created_at < $1 and ${IS_JOB_GONE}
        order by created_at limit $2)
      returning key
    )
    select count(*)::integer as count from gone`,
};

/** As `JobStore.moveFinished`. */
export async function moveFinishedJobs(sql: Sql, endedUntil: Date, limit: number): Promise<number> {
  const [row] = await sql.run<{ readonly count: number }>(MOVE, [endedUntil, limit]);
  return row?.count ?? 0;
}

/** As `JobStore.forgetKeys`. */
export async function forgetKeys(sql: Sql, createdBefore: Date, limit: number): Promise<number> {
  const [row] = await sql.run<{ readonly count: number }>(FORGET_KEYS, [createdBefore, limit]);
  return row?.count ?? 0;
}
