import type { EndedJob, JobId, KeyPosition, TenantId } from "@hodei/domain";
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
 * Specs of one transaction, as stored, unless a single one is larger: a second or so. While it lasts no event shows that is
 * younger, and no other server can lead.
 */
const SPEC_BYTES_MAX = 32 * 1024 * 1024;

/**
 * What somebody else holds is left for another time, and so is a job whose end those that wait for it have not been told
 * of. `$1`: ended until then, `$2`: rows.
 */
const PICK: Statement = {
  name: "job_pick_finished",
  text: `
    select j.id, j.tenant_id, j.finished_at, (s.policy ->> 'retentionMs')::float8 as retention_ms,
      pg_column_size(s.spec) as spec_bytes,
      (select w.pool from attempt a join worker w on w.id = a.worker_id
        where a.job_id = j.id and a.number = j.attempt) as pool
    from job j join job_spec s on s.job_id = j.id
    where j.finished_at <= $1
      and not exists (select from job_dependency where after_id = j.id)
    order by j.finished_at, j.id limit $2
    for update of j skip locked`,
};

interface PickedRow {
  readonly id: string;
  readonly tenant_id: string;
  readonly finished_at: Date;
  readonly retention_ms: number | null;
  readonly spec_bytes: number;
  readonly pool: string | null;
}

/**
 * One statement, so that every reader finds a job in exactly one place. Arrays, because a join with rows whose number the
 * planner does not know could read whole tables. `$1`: jobs, which the transaction holds, `$2`: when each goes.
 */
const MOVE: Statement = {
  name: "job_move_finished",
  text: `
    with kept as materialized (
      select * from unnest($1::uuid[], $2::timestamptz[]) as k (id, kept_until)
    ), job_left as (
      delete from job where id = any($1::uuid[])
      returning ${list(JOB_COLUMNS)}
    ), spec_left as (
      delete from job_spec where job_id = any($1::uuid[])
      returning job_id, ${list(SPEC_COLUMNS)}
    ), attempt_left as (
      delete from attempt where job_id = any($1::uuid[])
      returning ${list(ATTEMPT_COLUMNS)}
    ), moved_attempt as (
      insert into finished_attempt (kept_until, ${list(ATTEMPT_COLUMNS)})
      select k.kept_until, ${list(ATTEMPT_COLUMNS, "a")} from attempt_left a join kept k on k.id = a.job_id
    )
    insert into finished_job (kept_until, ${list(JOB_COLUMNS)}, ${list(SPEC_COLUMNS)})
    select k.kept_until, ${list(JOB_COLUMNS, "j")}, ${list(SPEC_COLUMNS, "s")}
    from job_left j join spec_left s on s.job_id = j.id join kept k on k.id = j.id`,
};

/** `$1`: created before, `$2`: keys, `$3` and `$4`: after this one. */
const FORGET_KEYS: Statement = {
  name: "job_forget_keys",
  text: `
    with looked as materialized (
      select tenant_id, key, job_id, created_at from job_key
      where created_at < $1 and ($3::timestamptz is null or (created_at, job_id) > ($3, $4::uuid))
      order by created_at, job_id limit $2
    ), gone as (
      delete from job_key where (tenant_id, key) in (select tenant_id, key from looked) and ${IS_JOB_GONE}
    )
    select created_at, job_id from looked
    order by created_at desc, job_id desc
    limit 1 offset (case when (select count(*) from looked) < $2 then $2 else 0 end)`,
};

/** As `JobStore.moveFinished`. */
export async function moveFinishedJobs(
  sql: Sql,
  { endedUntil, limit }: { readonly endedUntil: Date; readonly limit: number },
  keptUntil: (job: EndedJob) => Date,
): Promise<number> {
  const picked = withinBytes(await sql.run<PickedRow>(PICK, [endedUntil, limit]));
  if (picked.length === 0) return 0;
  const untils = picked.map((row) =>
    keptUntil({
      tenantId: row.tenant_id as TenantId,
      finishedAt: row.finished_at,
      retentionMs: row.retention_ms,
      pool: row.pool,
    }),
  );
  await sql.run(MOVE, [picked.map(({ id }) => id), untils]);
  return picked.length;
}

function withinBytes(rows: readonly PickedRow[]): readonly PickedRow[] {
  let bytes = 0;
  const end = rows.findIndex(({ spec_bytes }, index) => {
    bytes += spec_bytes;
    return index > 0 && bytes > SPEC_BYTES_MAX;
  });
  return end < 0 ? rows : rows.slice(0, end);
}

/** As `JobStore.forgetKeys`. */
export async function forgetKeys(
  sql: Sql,
  { createdBefore, limit }: { readonly createdBefore: Date; readonly limit: number },
  from: KeyPosition | null,
): Promise<KeyPosition | null> {
  type Row = { readonly created_at: Date; readonly job_id: string };
  const values = [createdBefore, limit, from?.createdAt ?? null, from?.jobId ?? null];
  const [row] = await sql.run<Row>(FORGET_KEYS, values);
  return row === undefined ? null : { createdAt: row.created_at, jobId: row.job_id as JobId };
}
