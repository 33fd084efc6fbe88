import type { AttemptRef } from "./attempt.ts";
import type { JobId } from "./ids.ts";

export type LogStream = "stdout" | "stderr";

/** Why a worker left bytes out: its spool was full, or the attempt had reached its limit. */
export type LogGap = "dropped" | "limit";

/** Why bytes are not stored: also because the tenant had reached its limit of the day. */
export type StoredGap = LogGap | "tenant_limit";

/** A run of bytes of one stream within a batch. */
export interface LogSegment {
  readonly stream: LogStream;
  /** A gap counts the bytes that are missing, so that offsets tell how much was written. */
  readonly lengthBytes: number;
  /** When the worker read the first of them. */
  readonly at: Date;
  /** `null`: the bytes are in the batch. */
  readonly gap: LogGap | null;
}

/** Zstandard (RFC 8878), one frame. */
export type LogCompression = "none" | "zstd";

/** A piece of an attempt's log as a worker sends it: `data` is the concatenation of its segments but for the gaps. */
export interface LogBatch {
  readonly ref: AttemptRef;
  /** Of the first byte of the batch in the attempt's log. */
  readonly offset: number;
  readonly data: Uint8Array;
  /** Of `data`; lengths and offsets are those of the bytes before. */
  readonly compression: LogCompression;
  readonly segments: readonly LogSegment[];
}

/**
 * What is missing from a log. `skipped`: only from this tail, whose reader was too slow; a read has the bytes. `expired`:
 * the log was not kept for so long.
 */
export interface MissingBytes {
  readonly reason: StoredGap | "skipped" | "expired";
  readonly lengthBytes: number;
}

/** A piece of an attempt's log as a reader gets it. */
export interface LogChunk {
  readonly stream: LogStream;
  readonly offset: number;
  readonly at: Date;
  /** Empty where bytes are missing. */
  readonly data: Uint8Array;
  readonly missing: MissingBytes | null;
}

/** Where the chunk ends in its attempt's log. */
export function chunkEnd({ offset, data, missing }: LogChunk): number {
  return offset + (missing?.lengthBytes ?? data.length);
}

/** Bytes of the log that the segments stand for, missing ones included. */
export function totalBytes(segments: readonly Pick<LogSegment, "lengthBytes">[]): number {
  return segments.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
}

/** Bytes of the log that the segments hold: the length of a batch's data before its compression. */
export function presentBytes(segments: readonly LogSegment[]): number {
  return totalBytes(segments.filter(({ gap }) => gap === null));
}

/**
 * What became of a batch. `stored`: all below `durableOffset` is durable; a repeat is stored once, and a batch that would
 * leave a hole is not stored at all, so the worker resends from `durableOffset`. `refused`: the attempt is not the
 * sender's any more.
 */
export type AppendResult =
  | { readonly kind: "stored"; readonly durableOffset: number }
  | { readonly kind: "refused" };

export interface LogRange {
  readonly jobId: JobId;
  readonly attempt: number;
  readonly offset: number;
  /** Stops after about this many bytes (missing ones may count), but never returns nothing while there is something. */
  readonly maxBytes: number;
  /** `null`: both. */
  readonly stream: LogStream | null;
}

export interface LogPage {
  readonly chunks: readonly LogChunk[];
  /** Where to read on; beyond bytes of the other stream that were passed over. */
  readonly nextOffset: number;
}

/** Durable logs. The log of an attempt is one sequence of bytes; where some are missing, a gap counts them. */
export interface LogStore {
  /**
   * Stores batches in one transaction; results in the order of the batches. Calls take effect in the order in which they
   * are made, so one need not wait for another. Fenced: a batch whose attempt has another lease token, or is over, is
   * refused.
   * @throws PlatformError `invalid_argument`, reason `malformed_log_batch`, if its data is not what its segments say
   */
  append(batches: readonly LogBatch[]): Promise<readonly AppendResult[]>;
  read(range: LogRange): Promise<LogPage>;
  /** All of the attempt's log below this is stored. 0 for an unknown attempt. */
  durableOffset(jobId: JobId, attempt: number): Promise<number>;
  /** Where to begin reading; costs about the same however long the log is. */
  findPlace(query: LogPlaceQuery): Promise<LogPlace>;
}

/**
 * Where in a log to begin: at an offset; at a line, of which the first is 1; `count` lines before the end of what is
 * stored; or with what its worker read at `at` or later. Beyond what is stored: at its end.
 */
export type LogStart =
  | { readonly kind: "offset"; readonly offset: number }
  | { readonly kind: "line"; readonly number: number }
  | { readonly kind: "last_lines"; readonly count: number }
  | { readonly kind: "time"; readonly at: Date };

export interface LogPlaceQuery {
  readonly jobId: JobId;
  readonly attempt: number;
  /** Whose lines count; `null`: those of both streams, as they were read one after the other. */
  readonly stream: LogStream | null;
  readonly start: LogStart;
}

export interface LogPlace {
  readonly offset: number;
  /** Newlines before it that are stored; those of missing bytes are not known. */
  readonly linesBefore: number;
}

/** Newlines by stream. */
export type LineCounts = Readonly<Record<LogStream, number>>;

const NEWLINE = 0x0a;

/** Newlines in `data`, which is what `segments` hold, in time proportional to its length: a millisecond for 1 MiB. */
export function countLines(data: Uint8Array, segments: readonly LogSegment[]): LineCounts {
  const counts = { stdout: 0, stderr: 0 };
  let start = 0;
  for (const { stream, lengthBytes, gap } of segments) {
    if (gap !== null) continue;
    const end = start + lengthBytes;
    counts[stream] += newlinesIn(data, start, end);
    start = end;
  }
  return counts;
}

/** Newlines in `data` from `start` up to `end`. */
export function newlinesIn(data: Uint8Array, start: number, end: number): number {
  let count = 0;
  for (let index = start; index < end; index += 1) if (data[index] === NEWLINE) count += 1;
  return count;
}

/** Where what follows the `count`-th newline of `data` begins; `undefined` if there are fewer. 0 for 0. */
export function afterNewline(data: Uint8Array, count: number): number | undefined {
  let end = 0;
  for (let left = count; left > 0; left -= 1) {
    const index = data.indexOf(NEWLINE, end);
    if (index < 0) return undefined;
    end = index + 1;
  }
  return end;
}
