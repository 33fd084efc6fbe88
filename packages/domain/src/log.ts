import type { AttemptRef } from "./attempt.ts";
import type { JobId } from "./ids.ts";

export type LogStream = "stdout" | "stderr";

/** Why a worker left bytes out: its spool was full, or the attempt had reached its limit. */
export type LogGap = "dropped" | "limit";

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
  readonly reason: LogGap | "skipped" | "expired";
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
export function totalBytes(segments: readonly LogSegment[]): number {
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
   * Stores batches in one transaction; results in the order of the batches. Fenced: a batch whose attempt has another
   * lease token, or is over, is refused.
   * @throws PlatformError `invalid_argument`, reason `malformed_log_batch`, if its data is not what its segments say
   */
  append(batches: readonly LogBatch[]): Promise<readonly AppendResult[]>;
  read(range: LogRange): Promise<LogPage>;
  /** All of the attempt's log below this is stored. 0 for an unknown attempt. */
  durableOffset(jobId: JobId, attempt: number): Promise<number>;
  /** Where the last `lines` lines of what is stored begin, counting one stream or both. */
  findTailOffset(
    jobId: JobId,
    attempt: number,
    lines: number,
    stream: LogStream | null,
  ): Promise<number>;
}
