import {
  afterNewline,
  type LogChunk,
  type LogPlace,
  type LogPlaceQuery,
  type LogStream,
  newlinesIn,
} from "@hodei/domain";
import { OF_ATTEMPT } from "./log-reader.ts";
import { type LogRow, rowEnd, streamCode, toChunks } from "./log-row.ts";
import type { Sql, Statement } from "./sql.ts";

const NEWLINE = 0x0a;

/** Newlines up to the end of a row, of the stream `$3`, or of both if it is null. */
const LINES_END = `case $3::integer when 0 then stdout_newline_count
  when 1 then newline_count - stdout_newline_count else newline_count end`;

const COLUMNS = `byte_offset, length_bytes, at, segments, compression, data, ${LINES_END} as lines_end`;

/** The last row with bytes of the stream `$3` that begins at or before the offset `$4`. */
const LAST_ROW: Statement = {
  name: "log_last_row",
  text: `
    select ${COLUMNS} from log_chunk
    where ${OF_ATTEMPT} and byte_offset <= $4
      and case $3::integer when 0 then stdout_bytes > 0 when 1 then length_bytes > stdout_bytes else true end
    order by byte_offset desc limit 1`,
};

/**
 * The first row for which `reached` holds, which then holds for all after it, by halving: one look into the primary key
 * for each step, of which there are as many as the number of rows has binary digits. No row, if it holds for none.
 */
const firstRow = (name: string, reached: string): Statement => ({
  name,
  text: `
    with recursive search as (
      select 0::bigint as low, (select max(byte_offset + length_bytes) from log_chunk where ${OF_ATTEMPT}) as high
      union all
      select case when reached then low else end_offset end, case when reached then byte_offset else high end
      from search cross join lateral (
        select byte_offset, byte_offset + length_bytes as end_offset, ${reached} as reached
        from log_chunk
        where ${OF_ATTEMPT} and byte_offset <= (low + high) / 2
        order by byte_offset desc limit 1) as middle
      where low < high
    )
    select ${COLUMNS} from log_chunk
    where ${OF_ATTEMPT} and byte_offset = (select high from search where low = high)`,
});

const FIRST_WITH_LINE = firstRow("log_first_with_line", `${LINES_END} >= $4::bigint`);
const FIRST_AT = firstRow("log_first_at", "at >= $4::timestamptz");

interface IndexedRow extends LogRow {
  /** Of the stream asked for. */
  readonly lines_end: number;
}

/** A row's part of the log that is asked for. */
interface Part {
  readonly chunks: readonly LogChunk[];
  /** Newlines before the row. */
  readonly linesBefore: number;
}

type Source = Omit<LogPlaceQuery, "start">;

/** See `LogStore.findPlace`. Reads and unpacks two rows at most. */
export async function findPlace(sql: Sql, { start, ...source }: LogPlaceQuery): Promise<LogPlace> {
  switch (start.kind) {
    case "offset":
      return start.offset === 0 ? START : atOffset(sql, source, start.offset);
    case "line":
      return afterLines(sql, source, start.number - 1);
    case "last_lines":
      return beforeEnd(sql, source, start.count);
    case "time":
      return atTime(sql, source, start.at);
  }
}

const START: LogPlace = { offset: 0, linesBefore: 0 };

async function atOffset(sql: Sql, source: Source, offset: number): Promise<LogPlace> {
  const row = await lastRow(sql, source, offset);
  if (row === undefined) return { offset, linesBefore: 0 };
  const { chunks, linesBefore } = partOf(row, source.stream);
  const before = chunks.map((chunk) => ({
    data: chunk.data.subarray(0, Math.max(0, offset - chunk.offset)),
  }));
  return { offset, linesBefore: linesBefore + countNewlines(before) };
}

/** Where what follows the `count`-th newline begins. */
async function afterLines(sql: Sql, source: Source, count: number): Promise<LogPlace> {
  if (count <= 0) return START;
  const row = await findRow(sql, FIRST_WITH_LINE, source, count);
  return row === undefined ? atEnd(sql, source) : withinRow(row, source.stream, count);
}

async function beforeEnd(sql: Sql, source: Source, count: number): Promise<LogPlace> {
  if (count <= 0) return atEnd(sql, source);
  const row = await lastRow(sql, source, Number.MAX_SAFE_INTEGER);
  if (row === undefined) return START;
  const { chunks } = partOf(row, source.stream);
  // The newline that ends the last line begins no other; missing bytes are a line that has not ended.
  const isEnded = chunks.at(-1)?.data.at(-1) === NEWLINE;
  return afterLines(sql, source, row.lines_end - count + (isEnded ? 0 : 1));
}

/** Rows tell when their first bytes were read, so what is looked for may begin in the row before. */
async function atTime(sql: Sql, source: Source, at: Date): Promise<LogPlace> {
  const row = await findRow(sql, FIRST_AT, source, at);
  const before = await lastRow(sql, source, (row?.byte_offset ?? Number.MAX_SAFE_INTEGER) - 1);
  const { chunks, linesBefore } = before ? partOf(before, source.stream) : NO_PART;
  const index = chunks.findIndex((chunk) => chunk.at >= at);
  const passed = index < 0 ? chunks : chunks.slice(0, index);
  const offset = chunks[index]?.offset ?? row?.byte_offset ?? (await atEnd(sql, source)).offset;
  return { offset, linesBefore: linesBefore + countNewlines(passed) };
}

const NO_PART: Part = { chunks: [], linesBefore: 0 };

async function atEnd(sql: Sql, source: Source): Promise<LogPlace> {
  const row = await lastRow(sql, { ...source, stream: null }, Number.MAX_SAFE_INTEGER);
  if (row === undefined) return START;
  const counted = source.stream === null ? row : await lastRow(sql, source, row.byte_offset);
  return { offset: rowEnd(row), linesBefore: counted?.lines_end ?? 0 };
}

/** The place after the `count`-th newline of the log, which is in `row`. */
function withinRow(row: IndexedRow, stream: LogStream | null, count: number): LogPlace {
  const { chunks, linesBefore } = partOf(row, stream);
  let left = count - linesBefore;
  for (const chunk of chunks) {
    const end = afterNewline(chunk.data, left);
    if (end !== undefined) return { offset: chunk.offset + end, linesBefore: count };
    left -= newlinesIn(chunk.data, 0, chunk.data.length);
  }
  return { offset: rowEnd(row), linesBefore: count };
}

function partOf(row: IndexedRow, stream: LogStream | null): Part {
  const chunks = toChunks(row, 0, stream);
  return { chunks, linesBefore: row.lines_end - countNewlines(chunks) };
}

const countNewlines = (chunks: readonly Pick<LogChunk, "data">[]): number =>
  chunks.reduce((sum, { data }) => sum + newlinesIn(data, 0, data.length), 0);

async function lastRow(
  sql: Sql,
  { jobId, attempt, stream }: Source,
  offset: number,
): Promise<IndexedRow | undefined> {
  const values = [jobId, attempt, codeOf(stream), offset];
  return (await sql.run<IndexedRow>(LAST_ROW, values))[0];
}

async function findRow(
  sql: Sql,
  statement: Statement,
  { jobId, attempt, stream }: Source,
  wanted: number | Date,
): Promise<IndexedRow | undefined> {
  const values = [jobId, attempt, codeOf(stream), wanted];
  return (await sql.run<IndexedRow>(statement, values))[0];
}

const codeOf = (stream: LogStream | null): number | null =>
  stream === null ? null : streamCode(stream);
