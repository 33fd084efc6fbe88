import { create } from "@bufbuild/protobuf";
import { type LogChunk, LogChunkSchema, LogStream } from "@hodei/proto/hodei/v1/log_service";

/**
 * Where a reader stands in a job's log. `accept` keeps what is new of a chunk, so that a stream that was
 * reopened repeats nothing and skips nothing unseen.
 */
export class LogPosition {
  /** Of the latest chunk; 0 before the first. */
  attempt = 0;
  /** Of the next byte, in that attempt's log. */
  offset = 0n;
  readonly #readsBothStreams: boolean;

  constructor(stream: LogStream) {
    this.#readsBothStreams = stream === LogStream.UNSPECIFIED;
  }

  /** Starts to read an attempt at `offset`. */
  moveTo(attempt: number, offset: bigint): void {
    this.attempt = attempt;
    this.offset = offset;
  }

  /** The unseen part of `chunk`, with a gap before it where bytes were skipped without notice; moves behind it. */
  accept(attempt: number, chunk: LogChunk): readonly LogChunk[] {
    if (attempt < this.attempt) return [];
    const end = chunk.offset + BigInt(chunk.data.length) + chunk.gapBytes;
    const isFirst = attempt > this.attempt;
    const expected = isFirst ? chunk.offset : this.offset;
    if (!isFirst && end <= expected) return [];
    this.moveTo(attempt, end);
    if (chunk.offset < expected) return [withoutStart(chunk, expected - chunk.offset)];
    if (chunk.offset > expected && this.#readsBothStreams) {
      return [gap(chunk, expected, chunk.offset - expected), chunk];
    }
    return [chunk];
  }
}

/** `chunk` without its first `count` bytes, be they data or gap. */
function withoutStart(chunk: LogChunk, count: bigint): LogChunk {
  return {
    ...chunk,
    offset: chunk.offset + count,
    data: chunk.data.subarray(Number(count)),
    gapBytes: chunk.gapBytes > count ? chunk.gapBytes - count : 0n,
  };
}

function gap(next: LogChunk, offset: bigint, gapBytes: bigint): LogChunk {
  const { stream, time } = next;
  return create(LogChunkSchema, { stream, offset, gapBytes, ...(time ? { time } : {}) });
}
