import {
  type AppendResult,
  type AttemptState,
  isAttemptOver,
  type LogBatch,
  totalBytes,
} from "@hodei/domain";
import { cutBatch, plainData } from "./log-data.ts";
import { compressionCode, packSegments } from "./log-row.ts";
import type { Sql, Statement } from "./sql.ts";

/** Holds the attempts, so that none of them ends, and no other server appends to it, before this commits. */
const LOCK_ATTEMPTS: Statement = {
  name: "log_lock_attempts",
  text: `
    select job_id, number, tenant_id, lease_token, state, assigned_at from attempt
    where (job_id, number) in (select * from unnest($1::uuid[], $2::integer[]))
    order by job_id, number
    for no key update`,
};

/** A statement of its own: it must see what was committed while the attempts were waited for. */
const FIND_ENDS: Statement = {
  name: "log_find_ends",
  text: `
    select k.job_id, k.attempt, last.end_offset
    from unnest($1::uuid[], $2::integer[]) as k(job_id, attempt)
    join attempt a on a.job_id = k.job_id and a.number = k.attempt
    cross join lateral (
      select byte_offset + length_bytes as end_offset from log_chunk c
      where c.job_id = k.job_id and c.attempt = k.attempt and c.assigned_at = a.assigned_at
      order by byte_offset desc limit 1) as last`,
};

/** All rows share one parameter of bytes, which the driver sends as they are; in an array they would be sent as text. */
const INSERT: Statement = {
  name: "log_insert_compressed",
  text: `
    insert into log_chunk (
      assigned_at, job_id, attempt, byte_offset, tenant_id, length_bytes, stdout_bytes, segments, at, compression,
      data)
    select assigned_at, job_id, attempt, byte_offset, tenant_id, length_bytes, stdout_bytes, segments, at, compression,
      substring($1::bytea from data_start + 1 for data_bytes)
    from unnest($2::timestamptz[], $3::uuid[], $4::integer[], $5::bigint[], $6::text[], $7::bigint[], $8::bigint[],
        $9::json[], $10::timestamptz[], $11::smallint[], $12::integer[], $13::integer[])
      as row(assigned_at, job_id, attempt, byte_offset, tenant_id, length_bytes, stdout_bytes, segments, at, compression,
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
  readonly end_offset: number;
}

interface Piece {
  readonly batch: LogBatch;
  readonly attempt: AttemptRow;
  readonly offset: number;
}

/** Appends batches in the transaction of `sql`; results in their order. */
export async function appendLogs(
  sql: Sql,
  batches: readonly LogBatch[],
): Promise<readonly AppendResult[]> {
  const refs = [
    ...new Map(batches.map(({ ref }) => [keyOf(ref.jobId, ref.attempt), ref])).values(),
  ];
  const keys = [refs.map(({ jobId }) => jobId), refs.map(({ attempt }) => attempt)];
  const [attempts, ends] = await Promise.all([
    sql.run<AttemptRow>(LOCK_ATTEMPTS, keys),
    sql.run<EndRow>(FIND_ENDS, keys),
  ]);
  const attemptByKey = new Map(attempts.map((row) => [keyOf(row.job_id, row.number), row]));
  const endByKey = new Map(ends.map((row) => [keyOf(row.job_id, row.attempt), row.end_offset]));
  const pieces: Piece[] = [];
  const results = batches.map((batch): AppendResult => {
    const key = keyOf(batch.ref.jobId, batch.ref.attempt);
    const attempt = attemptByKey.get(key);
    if (attempt?.lease_token !== batch.ref.leaseToken || isAttemptOver(attempt.state)) {
      return { kind: "refused" };
    }
    const durableOffset = endByKey.get(key) ?? 0;
    const batchEnd = batch.offset + totalBytes(batch.segments);
    const leavesHole = batch.offset > durableOffset;
    if (leavesHole || batchEnd <= durableOffset) return { kind: "stored", durableOffset };
    pieces.push({ batch, attempt, offset: durableOffset });
    endByKey.set(key, batchEnd);
    return { kind: "stored", durableOffset: batchEnd };
  });
  if (pieces.length > 0) await sql.run(INSERT, toValues(pieces));
  return results;
}

const keyOf = (jobId: string, attempt: number): string => `${jobId}/${attempt}`;

/** Columns of `INSERT` as arrays. */
function toValues(pieces: readonly Piece[]): unknown[] {
  let end = 0;
  const rows = pieces.map(({ batch, attempt, offset }) => {
    const { data, segments, compression } = freshPart(batch, offset);
    const at = segments[0]?.at ?? new Date(0);
    const start = end;
    end += data.length;
    return {
      ref: batch.ref,
      attempt,
      offset,
      data,
      lengthBytes: totalBytes(segments),
      stdoutBytes: totalBytes(segments.filter(({ stream }) => stream === "stdout")),
      at,
      packed: JSON.stringify(packSegments(segments, at)),
      compression: compressionCode(compression),
      start,
    };
  });
  return [
    Buffer.concat(
      rows.map(({ data }) => data),
      end,
    ),
    rows.map(({ attempt }) => attempt.assigned_at),
    rows.map(({ ref }) => ref.jobId),
    rows.map(({ ref }) => ref.attempt),
    rows.map(({ offset }) => offset),
    rows.map(({ attempt }) => attempt.tenant_id),
    rows.map(({ lengthBytes }) => lengthBytes),
    rows.map(({ stdoutBytes }) => stdoutBytes),
    rows.map(({ packed }) => packed),
    rows.map(({ at }) => at),
    rows.map(({ compression }) => compression),
    rows.map(({ start }) => start),
    rows.map(({ data }) => data.length),
  ];
}

/** What of a batch is to be stored: as it came, or, when its start is stored already, the rest without compression. */
function freshPart(
  batch: LogBatch,
  offset: number,
): Pick<LogBatch, "data" | "segments" | "compression"> {
  if (offset === batch.offset) return batch;
  return { ...cutBatch(plainData(batch), batch, offset), compression: "none" };
}
