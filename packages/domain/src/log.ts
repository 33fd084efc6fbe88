import type { AttemptRef } from "./attempt.ts";
import type { JobId } from "./ids.ts";

export type LogStream = "stdout" | "stderr";

/** A run of bytes of one stream within a batch. */
export interface LogSegment {
  readonly stream: LogStream;
  readonly lengthBytes: number;
  /** When the worker read the first of them. */
  readonly at: Date;
}

/** A piece of an attempt's log as a worker sends it: `data` is the concatenation of its segments. */
export interface LogBatch {
  readonly ref: AttemptRef;
  /** Of the first byte of `data` in the attempt's log. */
  readonly offset: number;
  readonly data: Uint8Array;
  readonly segments: readonly LogSegment[];
}

/** A piece of an attempt's log as a reader gets it. */
export interface LogChunk {
  readonly stream: LogStream;
  readonly offset: number;
  readonly at: Date;
  readonly data: Uint8Array;
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
  /** Stops after about this many bytes, but never returns nothing while there is something. */
  readonly maxBytes: number;
  /** `null`: both. */
  readonly stream: LogStream | null;
}

export interface LogPage {
  readonly chunks: readonly LogChunk[];
  /** Where to read on; beyond bytes of the other stream that were passed over. */
  readonly nextOffset: number;
}

/** Durable logs. The log of an attempt is one sequence of bytes without holes. */
export interface LogStore {
  /**
   * Stores batches in one transaction; results in the order of the batches. Fenced: a batch whose attempt has another
   * lease token, or is over, is refused.
   * @throws PlatformError `invalid_argument` for a batch whose segments do not make up its data
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
