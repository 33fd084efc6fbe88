import type pg from "pg";

/** Tables that a job's life writes to. */
export const TABLES = [
  "job",
  "job_spec",
  "attempt",
  "job_key",
  "finished_job",
  "finished_attempt",
  "event",
] as const;

export type TableName = (typeof TABLES)[number];

/** One table with all of its partitions. */
export interface TableSize {
  /** With what is stored out of line. */
  readonly tableBytes: number;
  readonly indexBytes: number;
  /** Row versions that nobody sees any more and vacuum has not removed, as PostgreSQL counts them. */
  readonly deadCount: number;
}

const QUERY = `
  with recursive part as (
    select oid, relname as root from pg_class
    where relname = any($1) and relnamespace = 'public'::regnamespace
    union all
    select inhrelid, root from pg_inherits join part on inhparent = part.oid
  )
  select root, sum(pg_table_size(part.oid)) as table_bytes, sum(pg_indexes_size(part.oid)) as index_bytes,
    coalesce(sum(n_dead_tup), 0) as dead_count
  from part left join pg_stat_user_tables on relid = part.oid
  group by root`;

export async function readTableSizes(client: pg.Client): Promise<Record<TableName, TableSize>> {
  const { rows } = await client.query<Record<string, string>>(QUERY, [TABLES]);
  const sizes = new Map(rows.map((row) => [row.root, row]));
  const sizeOf = (name: TableName): TableSize => {
    const row = sizes.get(name);
    if (row === undefined) throw new Error(`there is no table ${name}`);
    return {
      tableBytes: Number(row.table_bytes),
      indexBytes: Number(row.index_bytes),
      deadCount: Number(row.dead_count),
    };
  };
  return {
    job: sizeOf("job"),
    job_spec: sizeOf("job_spec"),
    attempt: sizeOf("attempt"),
    job_key: sizeOf("job_key"),
    finished_job: sizeOf("finished_job"),
    finished_attempt: sizeOf("finished_attempt"),
    event: sizeOf("event"),
  };
}
