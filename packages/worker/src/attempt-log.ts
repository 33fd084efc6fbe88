import {
  type AttemptReport,
  invariant,
  type LogGap,
  type LogSegment,
  type LogStream,
  totalBytes,
} from "@hodei/domain";
import type { AttemptSpool } from "./spool/attempt-spool.ts";
import { type SpoolPiece, SpoolReader } from "./spool/spool-reader.ts";
import { GAP_BYTES_MAX } from "./spool/spool-record.ts";

/** Reads of one stream within this long become one segment, whose time is then wrong by no more. */
const SEGMENT_SPAN_MS = 250;
const STREAMS: readonly LogStream[] = ["stdout", "stderr"];

/** A piece of a log: `data` is the concatenation of its segments but for the gaps. */
export interface LogPiece {
  /** Of the first byte in the log. */
  readonly offset: number;
  readonly data: Uint8Array;
  readonly segments: readonly LogSegment[];
}

/** Bytes left out since the last gap was written. */
interface LeftOut {
  readonly reason: LogGap;
  readonly at: Date;
  readonly bytes: Record<LogStream, number>;
}

export interface AttemptLogOptions {
  readonly spool: AttemptSpool;
  /** Bytes of the whole log; what comes after is left out. */
  readonly limitBytes: number;
  /** Hears how many bytes were left out because the spool was full or could not be written. */
  readonly onDropped: (bytes: number) => void;
  /** The spool could not be written, or not be read: what it had is a gap then. */
  readonly onSpoolError: (error: unknown) => void;
}

/**
 * What one attempt wrote: both streams as one sequence of bytes in the order in which they were read. Offsets count
 * from the start of the log, bytes that were left out included. Three marks, in this order, and each only grows except
 * that `rewind` puts the second back:
 *
 *     0 … acked (durable on the server, forgotten here) … sent … end
 *
 * What lies between the first and the last is on disk, not in memory. Where bytes are left out, a gap of each stream
 * tells how many: those of the limit once at once and once at the end, those of a full spool when it has room again.
 */
export class AttemptLog {
  readonly #options: AttemptLogOptions;
  readonly #spool: AttemptSpool;
  readonly #reader: SpoolReader;
  #ackedOffset: number;
  #leftOut: LeftOut | undefined;
  #isDropping = false;
  /** The first gap of the limit is written: whoever follows the log knows. */
  #isLimitTold = false;
  /** The last gaps, when the spool could not take them: they come after everything that it has. */
  readonly #unspooled: LogSegment[] = [];
  #unspooledSent = 0;
  /** What neither the server nor the spool has, before the spool's first byte: sent as a gap until that is acked. */
  #lost: { readonly offset: number; readonly segments: readonly LogSegment[] } | undefined;
  #isLostSent = false;
  /** How many segments what is not sent makes, about: the spool's records may be put together. */
  #unsentSegments: number;
  #lastStream: LogStream | undefined;
  #lastAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: AttemptLogOptions) {
    this.#options = options;
    this.#spool = options.spool;
    this.#ackedOffset = this.#spool.startOffset;
    this.#unsentSegments = this.#spool.recordCount;
    this.#reader = new SpoolReader(this.#spool.files, this.#ackedOffset, options.onSpoolError);
  }

  /** What was left out and is not in a gap yet is beyond it. */
  get endOffset(): number {
    return this.#spool.endOffset + totalBytes(this.#unspooled);
  }

  get unsentBytes(): number {
    return this.endOffset - this.#sentOffset;
  }

  get unsentSegments(): number {
    return this.unsentBytes === 0 ? 0 : Math.max(1, this.#unsentSegments);
  }

  get inFlightBytes(): number {
    return this.#sentOffset - this.#ackedOffset;
  }

  /** Whether the spool is at its bound. */
  get isFull(): boolean {
    return this.#spool.isFull;
  }

  /** What comes is left out, so that it fills nothing. */
  get isLeavingOut(): boolean {
    return this.#isDropping || this.#isLimitTold;
  }

  get #sentOffset(): number {
    if (this.#lost !== undefined && !this.#isLostSent) return this.#lost.offset;
    return this.#reader.offset + totalBytes(this.#unspooled.slice(0, this.#unspooledSent));
  }

  append(stream: LogStream, bytes: Uint8Array, at: Date): void {
    if (bytes.length === 0) return;
    const leftOutBytes = this.#leftOut === undefined ? 0 : sumOf(this.#leftOut.bytes);
    const room = Math.max(0, this.#options.limitBytes - this.#spool.endOffset - leftOutBytes);
    const allowed = bytes.subarray(0, room);
    if (allowed.length > 0) this.#takeIn(stream, allowed, at);
    const beyond = bytes.length - allowed.length;
    if (beyond > 0) this.#leaveOutBeyondLimit(stream, beyond, at);
  }

  /** From now on what comes is left out, until the spool is half empty. */
  startDropping(): void {
    this.#isDropping = true;
  }

  /** Nothing comes any more: counts what was left out last. */
  finish(): void {
    const leftOut = this.#leftOut;
    if (leftOut === undefined || this.#writeGap()) return;
    this.#leftOut = undefined;
    this.#unspooled.push(...gapSegments(leftOut));
  }

  /** What a later worker tells the server if this one cannot. @throws Error of the file system */
  saveReport(report: AttemptReport): void {
    this.#spool.saveReport(report);
  }

  /** Nobody will want any of it. */
  remove(): void {
    this.#spool.removeAll();
  }

  /** The next piece to send, within both limits; marks it as sent. `undefined` when all is sent. */
  take(maxBytes: number, maxSegments: number): LogPiece | undefined {
    const offset = this.#sentOffset;
    if (this.#lost !== undefined && !this.#isLostSent) {
      this.#isLostSent = true;
      return { offset, data: new Uint8Array(0), segments: this.#lost.segments };
    }
    const segments: LogSegment[] = [];
    const data = new Uint8Array(Math.min(maxBytes, this.unsentBytes));
    let dataBytes = 0;
    this.#reader.begin();
    while (dataBytes < maxBytes && segments.length < maxSegments) {
      const piece = this.#next(maxBytes - dataBytes);
      if (piece === undefined) break;
      addSegment(segments, piece.segment);
      data.set(piece.data, dataBytes);
      dataBytes += piece.data.length;
    }
    if (segments.length === 0) return undefined;
    this.#unsentSegments = Math.max(0, this.#unsentSegments - segments.length);
    return { offset, data: data.subarray(0, dataBytes), segments };
  }

  /**
   * Forgets all below `offset`; `true` if that was anything. An old ack changes nothing, and one beyond the end counts
   * as the end: only a server that stored another attempt's bytes could send it, and there is nothing more to forget.
   */
  ack(offset: number): boolean {
    const ackedOffset = Math.min(offset, this.endOffset);
    if (ackedOffset <= this.#ackedOffset) return false;
    this.#ackedOffset = ackedOffset;
    if (this.#lost !== undefined && ackedOffset >= lostEnd(this.#lost)) this.#lost = undefined;
    const sentOffset = Math.max(this.#sentOffset, ackedOffset);
    this.#spool.dropBelow(ackedOffset);
    this.#seek(sentOffset);
    return true;
  }

  /**
   * The server has nothing beyond `offset`. Less than was acked, or than the spool begins with, is what crashes of machines
   * leave: what is in no spool file any more is a gap then, as nothing behind a hole is ever stored.
   */
  goBack(offset: number, now: Date): void {
    if (offset >= this.#ackedOffset) return;
    this.#ackedOffset = offset;
    const lostBytes = this.#spool.startOffset - offset;
    if (lostBytes <= 0) return;
    this.#reader.seek(this.#spool.startOffset);
    this.#reader.begin();
    const at = this.#reader.next(1)?.segment.at ?? now;
    const bytes = { stdout: lostBytes, stderr: 0 };
    this.#lost = { offset, segments: gapSegments({ reason: "dropped", at, bytes }) };
    this.#options.onDropped(lostBytes);
  }

  /** Sends everything again that is not acked. */
  rewind(): void {
    this.#seek(this.#ackedOffset);
    this.#unsentSegments = this.#spool.recordCount;
  }

  #seek(offset: number): void {
    this.#isLostSent = this.#lost !== undefined && offset >= lostEnd(this.#lost);
    const { startOffset, endOffset } = this.#spool;
    this.#reader.seek(Math.max(startOffset, Math.min(offset, endOffset)));
    // Gaps beyond the spool are few and are sent whole: the server takes what it has once.
    this.#unspooledSent = 0;
    while (this.#unspooledSent < this.#unspooled.length && this.#sentOffset < offset) {
      this.#unspooledSent += 1;
    }
  }

  #next(maxBytes: number): SpoolPiece | undefined {
    const piece = this.#reader.next(maxBytes);
    if (piece !== undefined) return piece;
    const segment = this.#unspooled[this.#unspooledSent];
    if (segment === undefined) return undefined;
    this.#unspooledSent += 1;
    return { segment, data: new Uint8Array(0) };
  }

  #takeIn(stream: LogStream, bytes: Uint8Array, at: Date): void {
    if (this.#isDropping && this.#spool.isHalfEmpty) this.#isDropping = false;
    if (!this.#isDropping && this.#writeGap() && this.#write(stream, bytes, at)) return;
    this.#options.onDropped(bytes.length);
    this.#leaveOut("dropped", stream, bytes.length, at);
  }

  #leaveOutBeyondLimit(stream: LogStream, countBytes: number, at: Date): void {
    if (this.#leftOut?.reason === "dropped" && !this.#writeGap()) {
      // One reason for the whole gap is better than none.
      this.#leaveOut("dropped", stream, countBytes, at);
      return;
    }
    this.#leaveOut("limit", stream, countBytes, at);
    if (!this.#isLimitTold) this.#isLimitTold = this.#writeGap();
  }

  #leaveOut(reason: LogGap, stream: LogStream, countBytes: number, at: Date): void {
    this.#leftOut ??= { reason, at, bytes: { stdout: 0, stderr: 0 } };
    this.#leftOut.bytes[stream] += countBytes;
  }

  /** Writes what was left out as gaps; `false` if the disk does not take it. */
  #writeGap(): boolean {
    const leftOut = this.#leftOut;
    if (leftOut === undefined) return true;
    try {
      for (const { stream, lengthBytes, at } of gapSegments(leftOut)) {
        const header = { kind: leftOut.reason, stream, lengthBytes, atMs: at.getTime() };
        this.#spool.append(header);
        leftOut.bytes[stream] -= lengthBytes;
        this.#unsentSegments += 1;
      }
    } catch (error) {
      this.#options.onSpoolError(error);
      return false;
    }
    this.#leftOut = undefined;
    this.#lastStream = undefined;
    return true;
  }

  #write(stream: LogStream, bytes: Uint8Array, at: Date): boolean {
    const atMs = at.getTime();
    try {
      this.#spool.append({ kind: "data", stream, lengthBytes: bytes.length, atMs }, bytes);
    } catch (error) {
      this.#options.onSpoolError(error);
      return false;
    }
    const sinceMs = atMs - this.#lastAtMs;
    const isNear = this.#lastStream === stream && sinceMs >= 0 && sinceMs < SEGMENT_SPAN_MS;
    if (isNear) return true;
    this.#lastStream = stream;
    this.#lastAtMs = atMs;
    this.#unsentSegments += 1;
    return true;
  }
}

function gapSegments({ reason, bytes, at }: LeftOut): LogSegment[] {
  return STREAMS.flatMap((stream) => {
    const segments: LogSegment[] = [];
    for (let leftBytes = bytes[stream]; leftBytes > 0; leftBytes -= GAP_BYTES_MAX) {
      segments.push({ stream, lengthBytes: Math.min(leftBytes, GAP_BYTES_MAX), at, gap: reason });
    }
    return segments;
  });
}

/** Adds `next`, or makes the last segment longer when the two are one run. */
function addSegment(segments: LogSegment[], next: LogSegment): void {
  const last = segments.at(-1);
  const sinceMs = last === undefined ? 0 : next.at.getTime() - last.at.getTime();
  const isNear = sinceMs >= 0 && sinceMs < SEGMENT_SPAN_MS;
  const isRun = last?.stream === next.stream && last.gap === null && next.gap === null && isNear;
  if (!isRun) {
    segments.push(next);
    return;
  }
  invariant(last, "a run has a start");
  segments[segments.length - 1] = { ...last, lengthBytes: last.lengthBytes + next.lengthBytes };
}

const lostEnd = ({ offset, segments }: Pick<LogPiece, "offset" | "segments">): number =>
  offset + totalBytes(segments);

const sumOf = ({ stdout, stderr }: Record<LogStream, number>): number => stdout + stderr;
