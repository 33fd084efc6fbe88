import {
  chunkEnd,
  type LogChunk,
  type LogCompression,
  type LogSegment,
  type LogStream,
  type StoredGap,
} from "@hodei/domain";
import { decompress } from "./log-data.ts";

/** Streams, gaps and compressions as they are stored; never reorder. */
const STREAMS: readonly LogStream[] = ["stdout", "stderr"];
const GAPS: readonly (StoredGap | null)[] = [null, "dropped", "limit", "tenant_limit"];
const COMPRESSIONS: readonly LogCompression[] = ["none", "zstd"];

/** A segment of a stored row. */
export type StoredSegment = Omit<LogSegment, "gap"> & { readonly gap: StoredGap | null };

/**
 * Segments as they are stored: stream and gap, length, and milliseconds after the row's `at`, three numbers for each.
 * The first is the stream's code, plus twice the gap's.
 */
export type PackedSegments = readonly number[];

/** A row of `log_chunk` as readers select it. */
export interface LogRow {
  readonly byte_offset: number;
  readonly length_bytes: number;
  readonly at: Date;
  readonly segments: PackedSegments;
  readonly compression: number;
  readonly data: Buffer;
}

export const streamCode = (stream: LogStream): number => STREAMS.indexOf(stream);

export const compressionCode = (compression: LogCompression): number =>
  COMPRESSIONS.indexOf(compression);

export const rowEnd = (row: Pick<LogRow, "byte_offset" | "length_bytes">): number =>
  row.byte_offset + row.length_bytes;

export function packSegments(segments: readonly StoredSegment[], at: Date): PackedSegments {
  return segments.flatMap(({ stream, gap, lengthBytes, at: readAt }) => [
    streamCode(stream) + STREAMS.length * GAPS.indexOf(gap),
    lengthBytes,
    readAt.getTime() - at.getTime(),
  ]);
}

/** Chunks of one row, from `offset` on and of `stream` only (`null`: both). */
export function toChunks(row: LogRow, offset: number, stream: LogStream | null): LogChunk[] {
  const compression = COMPRESSIONS[row.compression] ?? "none";
  const data = decompress(row.data, compression, presentBytesOf(row.segments));
  return allChunks(row, data)
    .filter((chunk) => chunkEnd(chunk) > offset && (stream === null || chunk.stream === stream))
    .map((chunk) => (chunk.offset < offset ? withoutStart(chunk, offset - chunk.offset) : chunk));
}

/** Of all that is not a gap. */
function presentBytesOf(segments: PackedSegments): number {
  let sum = 0;
  for (let index = 0; index < segments.length; index += 3) {
    const [code = 0, lengthBytes = 0] = segments.slice(index, index + 2);
    if (code < STREAMS.length) sum += lengthBytes;
  }
  return sum;
}

function allChunks(row: LogRow, data: Uint8Array): LogChunk[] {
  const chunks: LogChunk[] = [];
  let offset = row.byte_offset;
  let start = 0;
  for (let index = 0; index < row.segments.length; index += 3) {
    const [code = 0, lengthBytes = 0, afterMs = 0] = row.segments.slice(index, index + 3);
    const reason = GAPS[Math.floor(code / STREAMS.length)] ?? null;
    const end = start + (reason === null ? lengthBytes : 0);
    chunks.push({
      stream: STREAMS[code % STREAMS.length] ?? "stdout",
      offset,
      at: new Date(row.at.getTime() + afterMs),
      data: data.subarray(start, end),
      missing: reason && { reason, lengthBytes },
    });
    offset += lengthBytes;
    start = end;
  }
  return chunks;
}

function withoutStart(chunk: LogChunk, countBytes: number): LogChunk {
  const { offset, data, missing } = chunk;
  return {
    ...chunk,
    offset: offset + countBytes,
    data: data.subarray(countBytes),
    missing: missing && { ...missing, lengthBytes: missing.lengthBytes - countBytes },
  };
}
