import type { LogBatch, LogChunk, LogSegment, LogStream } from "@hodei/domain";

/** Streams as they are stored; never reorder. */
const STREAMS: readonly LogStream[] = ["stdout", "stderr"];

/** Segments as they are stored: stream, length and milliseconds after the row's `at`, three numbers for each. */
export type PackedSegments = readonly number[];

/** A row of `log_chunk` as readers select it. */
export interface LogRow {
  readonly byte_offset: number;
  readonly at: Date;
  readonly segments: PackedSegments;
  readonly data: Buffer;
}

export const streamCode = (stream: LogStream): number => STREAMS.indexOf(stream);

export function packSegments(segments: readonly LogSegment[], at: Date): PackedSegments {
  return segments.flatMap((segment) => [
    streamCode(segment.stream),
    segment.lengthBytes,
    segment.at.getTime() - at.getTime(),
  ]);
}

/** Chunks of one row, from `offset` on and of `stream` only (`null`: both). */
export function toChunks(row: LogRow, offset: number, stream: LogStream | null): LogChunk[] {
  const chunks: LogChunk[] = [];
  let start = 0;
  for (let index = 0; index < row.segments.length; index += 3) {
    const [code = 0, lengthBytes = 0, afterMs = 0] = row.segments.slice(index, index + 3);
    const end = start + lengthBytes;
    const from = Math.max(start, offset - row.byte_offset);
    const of = STREAMS[code] ?? "stdout";
    if (from < end && (stream === null || of === stream)) {
      chunks.push({
        stream: of,
        offset: row.byte_offset + from,
        at: new Date(row.at.getTime() + afterMs),
        data: row.data.subarray(from, end),
      });
    }
    start = end;
  }
  return chunks;
}

/** The part of a batch from `offset` on, for one that begins at or before it. Empty segments are left out. */
export function cutBatch(
  { data, segments, offset: batchOffset }: LogBatch,
  offset: number,
): Pick<LogBatch, "data" | "segments"> {
  let skip = offset - batchOffset;
  const rest: LogSegment[] = [];
  for (const segment of segments) {
    const skipped = Math.min(skip, segment.lengthBytes);
    skip -= skipped;
    const lengthBytes = segment.lengthBytes - skipped;
    if (lengthBytes > 0) rest.push({ ...segment, lengthBytes });
  }
  return { data: data.subarray(offset - batchOffset), segments: rest };
}
