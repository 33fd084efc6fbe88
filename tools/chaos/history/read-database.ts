import { zstdDecompressSync } from "node:zlib";
import pg from "pg";
import type { AttemptRecord, EventRecord, JobRecord, WorkerRecord } from "./finished-run.ts";
import type { NeedleScan } from "./needle-scan.ts";

/** What the database says at the end of a run. */
export interface DatabaseRecords {
  readonly jobs: readonly JobRecord[];
  readonly attempts: readonly AttemptRecord[];
  readonly events: readonly EventRecord[];
  readonly workers: readonly WorkerRecord[];
}

const ROWS_AT_ONCE = 500;
const ZSTD = 1;

const JOB_FIELDS = `id, name, state, version, attempt, started_attempts as "startedAttempts",
  outcome_reason as reason, outcome_exit_code as "exitCode"`;
const ATTEMPT_FIELDS = `job_id as "jobId", number, worker_id as "workerId", state, assigned_at as "assignedAt",
  started_at as "startedAt", finished_at as "finishedAt", outcome_reason as reason, outcome_exit_code as "exitCode",
  log_bytes::float8 as "logBytes", processes_left as "processesLeft"`;
/** Some time after their end jobs move, with their attempts; one statement finds each in one place. */
const JOBS = `
  with live as (select job.*, job_spec.name from job join job_spec on job_id = id)
  select ${JOB_FIELDS}, created_at from live
  union all
  select ${JOB_FIELDS}, created_at from finished_job
  order by created_at, id`;
const ATTEMPTS = `
  select ${ATTEMPT_FIELDS} from attempt
  union all
  select ${ATTEMPT_FIELDS} from finished_attempt
  order by "jobId", number`;
const EVENTS = `select subject_id as "jobId", version, type, at from event
  where subject_type = 'job' order by subject_id, version, tx_id, id`;
const WORKERS = `select id, (facts->'capacity'->>'cpuMillis')::float8 as "cpuMillis",
  (facts->'capacity'->>'memoryBytes')::float8 as "memoryBytes" from worker where facts is not null`;

/** Reads the records, and looks for secrets in every row of every table. */
export async function readDatabase(
  databaseUrl: string,
  scan: NeedleScan,
): Promise<DatabaseRecords> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const read = async <Row>(text: string): Promise<readonly Row[]> =>
      (await client.query(text)).rows;
    await scanTables(client, scan);
    return {
      jobs: await read<JobRecord>(JOBS),
      attempts: await read<AttemptRecord>(ATTEMPTS),
      events: await read<EventRecord>(EVENTS),
      workers: await read<WorkerRecord>(WORKERS),
    };
  } finally {
    await client.end();
  }
}

async function scanTables(client: pg.Client, scan: NeedleScan): Promise<void> {
  const tables = await client.query<{ name: string }>(
    "select quote_ident(tablename) as name from pg_tables where schemaname = 'public' and tablename <> 'log_chunk'",
  );
  if (tables.rows.length === 0) throw new Error("the database has no tables to look through");
  for (const { name } of tables.rows) {
    const look = scan.stream(`table ${name}`);
    for await (const row of rowsOf<{ text: string }>(
      client,
      `select t::text as text from ${name} t`,
    )) {
      look(Buffer.from(row.text));
    }
  }
  const chunks = "select data, compression from log_chunk order by job_id, attempt, byte_offset";
  const look = scan.stream("stored logs");
  for await (const { data, compression } of rowsOf<{ data: Buffer; compression: number }>(
    client,
    chunks,
  )) {
    look(compression === ZSTD ? zstdDecompressSync(data) : data);
  }
}

/** Rows of a query that may be too many for memory. */
async function* rowsOf<Row extends pg.QueryResultRow>(
  client: pg.Client,
  query: string,
): AsyncGenerator<Row> {
  await client.query("begin");
  await client.query(`declare found no scroll cursor for ${query}`);
  for (;;) {
    const { rows } = await client.query<Row>(`fetch ${ROWS_AT_ONCE} from found`);
    if (rows.length === 0) break;
    yield* rows;
  }
  await client.query("commit");
}
