import {
  type AppendResult,
  type AttemptState,
  countLines,
  isAttemptOver,
  type LineCounts,
  type LogBatch,
  totalBytes,
} from "@hodei/domain";
import { cutBatch, plainData } from "./log-data.ts";
import { compressionCode, packSegments } from "./log-row.ts";
import type { Sql, Statement } from "./sql.ts";
import { type LogPart, TenantUsage } from "./tenant-usage.ts";

/**
 * Holds the attempts, so that none of them ends, and no other server appends to it, before this commits. Each is asked for by
 * itself, so that no plan goes through the table.
 */
const LOCK_ATTEMPTS: Statement = {
  name: "log_lock_attempts",
  text: `
    select a.* from (select * from unnest($1::uuid[], $2::integer[]) as k(job_id, attempt) order by job_id, attempt) k,
      lateral (
        select job_id, number, tenant_id, lease_token, state, assigned_at from attempt
        where attempt.job_id = k.job_id and attempt.number = k.attempt
        for no key update) a`,
};

/** A statement of its own: it must see what was committed while the attempts were waited for. */
const FIND_ENDS: Statement = {
  name: "log_find_ends",
  text: `
    select k.job_id, k.attempt, a.tenant_id, last.end_offset, last.newline_count, last.stdout_newline_count, u.stored_bytes
    from unnest($1::uuid[], $2::integer[]) as k(job_id, attempt)
    cross join lateral (
      select tenant_id, assigned_at from attempt
      where attempt.job_id = k.job_id and attempt.number = k.attempt limit 1) as a
    left join log_usage u on u.tenant_id = a.tenant_id and u.day = $3::date
    left join lateral (
      select byte_offset + length_bytes as end_offset, newline_count, stdout_newline_count from log_chunk c
      where c.job_id = k.job_id and c.attempt = k.attempt and c.assigned_at = a.assigned_at
      order by byte_offset desc limit 1) as last on true`,
};

/**
 * All rows share one parameter of bytes, which the driver sends as they are; in an array they would be sent as text. Two
 * servers that store for one tenant wait for each other here, until the first has committed.
 */
const INSERT: Statement = {
  name: "log_insert_compressed",
  text: `
    with usage as (
      insert into log_usage as known (tenant_id, day, stored_bytes)
      select tenant_id, $16::date, stored_bytes
      from unnest($17::text[], $18::bigint[]) as row(tenant_id, stored_bytes)
      on conflict (tenant_id) do update set
        stored_bytes = excluded.stored_bytes + case when known.day < excluded.day then 0 else known.stored_bytes end,
        day = greatest(known.day, excluded.day)
    )
    insert into log_chunk (
      assigned_at, job_id, attempt, byte_offset, tenant_id, length_bytes, stdout_bytes, newline_count, stdout_newline_count, segments, at, compression,
      data)
    select assigned_at, job_id, attempt, byte_offset, tenant_id, length_bytes, stdout_bytes, newline_count, stdout_newline_count, segments, at, compression,
      substring($1::bytea from data_start + 1 for data_bytes)
    from unnest($2::timestamptz[], $3::uuid[], $4::integer[], $5::bigint[], $6::text[], $7::bigint[], $8::bigint[],
        $9::bigint[], $10::bigint[], $11::json[], $12::timestamptz[], $13::smallint[], $14::integer[], $15::integer[])
      as row(assigned_at, job_id, attempt, byte_offset, tenant_id, length_bytes, stdout_bytes, newline_count, stdout_newline_count, segments, at, compression,
        data_start, data_bytes)`,
};

interface AttemptRow {
  readonly job_id: string;
  readonly number: number;
  readonly tenant_id: string;
  readonly lease_token: string;
  readonly state: AttemptState;
  readonly assigned_at: Date;
}

interface EndRow {
  readonly job_id: string;
  readonly attempt: number;
  readonly tenant_id: string;
  /** Null, as the counts, where nothing is stored yet. */
  readonly end_offset: number | null;
  readonly newline_count: number | null;
  readonly stdout_newline_count: number | null;
  /** Of the tenant; null before its first log of the day. */
  readonly stored_bytes: number | null;
}

/** A batch whose data is what its segments say. */
export interface CheckedBatch {
  readonly batch: LogBatch;
  readonly lines: LineCounts;
}

/** Where the log of an attempt ends: what counts from its start. */
interface LogEnd {
  readonly offset: number;
  readonly lines: LineCounts;
}

interface Piece {
  readonly attempt: AttemptRow;
  readonly offset: number;
  readonly part: LogPart;
  /** With the piece. */
  readonly end: LogEnd;
}

const NOTHING: LogEnd = { offset: 0, lines: { stdout: 0, stderr: 0 } };

export interface AppendLimits {
  /** Day of UTC, `yyyy-mm-dd`. */
  readonly day: string;
  /** Of all that a tenant stores on one day; several servers at once may pass it by what they have under way. */
  readonly tenantBytesPerDay: number;
}

export interface Appended {
  /** In the order of the batches. */
  readonly results: readonly AppendResult[];
  /** Whose logs were left out. */
  readonly limitedTenants: ReadonlySet<string>;
}

/** Appends batches in the transaction of `sql`. */
export async function appendLogs(
  sql: Sql,
  checked: readonly CheckedBatch[],
  limits: AppendLimits,
): Promise<Appended> {
  const batches = checked.map(({ batch }) => batch);
  const refs = [
    ...new Map(batches.map(({ ref }) => [keyOf(ref.jobId, ref.attempt), ref])).values(),
  ];
  const keys = [refs.map(({ jobId }) => jobId), refs.map(({ attempt }) => attempt)];
  const [attempts, ends] = await Promise.all([
    sql.run<AttemptRow>(LOCK_ATTEMPTS, keys),
    sql.run<EndRow>(FIND_ENDS, [...keys, limits.day]),
  ]);
  const attemptByKey = new Map(attempts.map((row) => [keyOf(row.job_id, row.number), row]));
  const endByKey = new Map(ends.map((row) => [keyOf(row.job_id, row.attempt), toEnd(row)]));
  const usage = new TenantUsage(limits.tenantBytesPerDay, usageOf(ends));
  const pieces: Piece[] = [];
  const results = checked.map(({ batch, lines }): AppendResult => {
    const key = keyOf(batch.ref.jobId, batch.ref.attempt);
    const attempt = attemptByKey.get(key);
    if (attempt?.lease_token !== batch.ref.leaseToken || isAttemptOver(attempt.state)) {
      return { kind: "refused" };
    }
    const before = endByKey.get(key) ?? NOTHING;
    const durableOffset = before.offset;
    const batchEnd = batch.offset + totalBytes(batch.segments);
    const leavesHole = batch.offset > durableOffset;
    if (leavesHole || batchEnd <= durableOffset) return { kind: "stored", durableOffset };
    const part = usage.count(attempt.tenant_id, freshPart({ batch, lines }, durableOffset));
    const end = { offset: batchEnd, lines: addLines(before.lines, part.lines) };
    pieces.push({ attempt, offset: durableOffset, part, end });
    endByKey.set(key, end);
    return { kind: "stored", durableOffset: batchEnd };
  });
  if (pieces.length > 0) {
    const values = [...toValues(pieces), limits.day, ...usage.added()];
    await sql.run(INSERT, values);
  }
  return { results, limitedTenants: usage.limitedTenants };
}

const keyOf = (jobId: string, attempt: number): string => `${jobId}/${attempt}`;

function toEnd({ end_offset, newline_count, stdout_newline_count }: EndRow): LogEnd {
  if (end_offset === null) return NOTHING;
  const stdout = stdout_newline_count ?? 0;
  return { offset: end_offset, lines: { stdout, stderr: (newline_count ?? 0) - stdout } };
}

const usageOf = (ends: readonly EndRow[]): ReadonlyMap<string, number> =>
  new Map(ends.map((row) => [row.tenant_id, row.stored_bytes ?? 0]));

const addLines = (a: LineCounts, b: LineCounts): LineCounts => ({
  stdout: a.stdout + b.stdout,
  stderr: a.stderr + b.stderr,
});

/** Columns of `INSERT` as arrays. */
function toValues(pieces: readonly Piece[]): unknown[] {
  let end = 0;
  const rows = pieces.map((piece) => {
    const { data, segments } = piece.part;
    const at = segments[0]?.at ?? new Date(0);
    const start = end;
    end += data.length;
    return { ...piece, ...piece.part, at, start };
  });
  return [
    Buffer.concat(
      rows.map(({ data }) => data),
      end,
    ),
    rows.map(({ attempt }) => attempt.assigned_at),
    rows.map(({ attempt }) => attempt.job_id),
    rows.map(({ attempt }) => attempt.number),
    rows.map(({ offset }) => offset),
    rows.map(({ attempt }) => attempt.tenant_id),
    rows.map(({ segments }) => totalBytes(segments)),
    rows.map(({ segments }) => totalBytes(segments.filter(({ stream }) => stream === "stdout"))),
    rows.map(({ end: { lines } }) => lines.stdout + lines.stderr),
    rows.map(({ end: { lines } }) => lines.stdout),
    rows.map(({ segments, at }) => JSON.stringify(packSegments(segments, at))),
    rows.map(({ at }) => at),
    rows.map(({ compression }) => compressionCode(compression)),
    rows.map(({ start }) => start),
    rows.map(({ data }) => data.length),
  ];
}

/** What of a batch is to be stored: as it came, or, when its start is stored already, the rest without compression. */
function freshPart({ batch, lines }: CheckedBatch, offset: number): LogPart {
  const { data, segments, compression } = batch;
  if (offset === batch.offset) return { data, segments, compression, lines };
  const rest = cutBatch(plainData(batch), batch, offset);
  return { ...rest, compression: "none", lines: countLines(rest.data, rest.segments) };
}
