import type { JobId, LogChunk, LogPage, LogRange } from "@hodei/domain";
import { type LogRow, rowEnd, streamCode, toChunks } from "./log-row.ts";
import type { Sql, Statement } from "./sql.ts";

/** Rows that one read looks at, however small they are. */
const READ_ROWS_MAX = 256;

/** Holds for rows with bytes of the stream `$4`, or of any if it is null. */
const HAS_STREAM = `case $4::integer when 0 then stdout_bytes > 0 when 1 then length_bytes > stdout_bytes else true end`;

/**
 * The log of attempt `$2` of job `$1`: in the one partition that its assignment leads to, so no other is looked at. Where
 * attempts of finished jobs are is looked at only for those.
 */
export const OF_ATTEMPT = `job_id = $1 and attempt = $2
      and assigned_at = coalesce(
        (select assigned_at from attempt where job_id = $1 and number = $2),
        (select assigned_at from finished_attempt where job_id = $1 and number = $2))`;

const DURABLE_OFFSET: Statement = {
  name: "log_durable_offset",
  text: `
    select byte_offset + length_bytes as end_offset from log_chunk
    where ${OF_ATTEMPT}
    order by byte_offset desc limit 1`,
};

/** `$3` offset, `$4` stream, `$5` bytes, `$6` rows. The sum runs over what is looked at, without reading any data. */
const READ: Statement = {
  name: "log_read_compressed",
  text: `
    select byte_offset, length_bytes, at, segments, compression, data
    from (
      select *, sum(bytes) over (order by byte_offset) - bytes as bytes_before
      from (
        select byte_offset, length_bytes, byte_offset + length_bytes - greatest(byte_offset, $3) as bytes,
          at, segments, compression, data
        from log_chunk
        where ${OF_ATTEMPT}
          and byte_offset >= coalesce((
            select max(byte_offset) from log_chunk
            where ${OF_ATTEMPT} and byte_offset <= $3), 0)
          and byte_offset + length_bytes > $3
          and ${HAS_STREAM}
        order by byte_offset limit $6
      ) as looked_at
    ) as summed
    where bytes_before < $5
    order by byte_offset`,
};

export async function durableOffset(sql: Sql, jobId: JobId, attempt: number): Promise<number> {
  const values = [jobId, attempt];
  const [row] = await sql.run<{ readonly end_offset: number }>(DURABLE_OFFSET, values);
  return row?.end_offset ?? 0;
}

export async function readLog(sql: Sql, range: LogRange): Promise<LogPage> {
  const { jobId, attempt, stream } = range;
  const code = stream === null ? null : streamCode(stream);
  const maxBytes = Math.max(1, range.maxBytes);
  // Asked before looking for rows: what is stored in between must not be passed over.
  const storedEnd = stream === null ? 0 : await durableOffset(sql, jobId, attempt);
  for (let offset = range.offset; ; ) {
    const values = [jobId, attempt, offset, code, maxBytes, READ_ROWS_MAX];
    const rows = await sql.run<LogRow>(READ, values);
    const chunks = rows.flatMap((row) => toChunks(row, offset, stream));
    if (chunks.length > 0) return cutPage(chunks, maxBytes, endOf(rows));
    if (rows.length === 0) return { chunks, nextOffset: Math.max(offset, storedEnd) };
    // Rows with bytes of the stream, but only before the offset.
    offset = endOf(rows);
  }
}

/** The chunks up to `maxBytes` of data; the last one is cut there. */
function cutPage(chunks: readonly LogChunk[], maxBytes: number, rowsEnd: number): LogPage {
  const kept: LogChunk[] = [];
  let room = maxBytes;
  for (const chunk of chunks) {
    const data = chunk.data.subarray(0, room);
    kept.push({ ...chunk, data });
    room -= data.length;
    if (room === 0) return { chunks: kept, nextOffset: chunk.offset + data.length };
  }
  return { chunks: kept, nextOffset: rowsEnd };
}

function endOf(rows: readonly LogRow[]): number {
  const last = rows.at(-1);
  return last === undefined ? 0 : rowEnd(last);
}
