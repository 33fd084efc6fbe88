import { invariant, type LogSegment, type LogStream } from "@hodei/domain";
import { ByteQueue } from "./byte-queue.ts";

/** Reads of one stream within this long become one segment, whose time is then wrong by no more. */
const SEGMENT_SPAN_MS = 250;
/** What a segment counts for against the bound beside its bytes: about its size in memory. */
const SEGMENT_OVERHEAD_BYTES = 64;

/** A piece of a log: `data` is the concatenation of its segments. */
export interface LogPiece {
  /** Of the first byte of `data` in the log. */
  readonly offset: number;
  readonly data: Uint8Array;
  readonly segments: readonly LogSegment[];
}

interface KeptSegment {
  readonly stream: LogStream;
  readonly at: Date;
  readonly offset: number;
  lengthBytes: number;
}

/**
 * What one attempt wrote: both streams as one sequence of bytes in the order in which they were read. Offsets count
 * from the start of the log. Three marks, in this order, and each only grows except that `rewind` puts the second back:
 *
 *     0 … acked (durable on the server, forgotten here) … sent … end
 *
 * Bounded by `maxBytes` (with 64 bytes for each segment): at the bound `isFull` says so and the writer has to wait. What
 * it had already read is taken even then.
 */
export class AttemptLog {
  readonly #maxBytes: number;
  readonly #bytes = new ByteQueue();
  readonly #segments: KeptSegment[] = [];
  #ackedOffset = 0;
  #sentOffset = 0;
  /** Index of the segment that holds the byte at `#sentOffset`. */
  #sentIndex = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get endOffset(): number {
    return this.#ackedOffset + this.#bytes.lengthBytes;
  }

  get unsentBytes(): number {
    return this.endOffset - this.#sentOffset;
  }

  get unsentSegments(): number {
    return this.#segments.length - this.#sentIndex;
  }

  get isInFlight(): boolean {
    return this.#sentOffset > this.#ackedOffset;
  }

  get isAcked(): boolean {
    return this.#bytes.lengthBytes === 0;
  }

  get isFull(): boolean {
    const overheadBytes = this.#segments.length * SEGMENT_OVERHEAD_BYTES;
    return this.#bytes.lengthBytes + overheadBytes >= this.#maxBytes;
  }

  append(stream: LogStream, bytes: Uint8Array, at: Date): void {
    if (bytes.length === 0) return;
    const last = this.#segments.at(-1);
    const sinceMs = last === undefined ? 0 : at.getTime() - last.at.getTime();
    const isNear = sinceMs >= 0 && sinceMs < SEGMENT_SPAN_MS;
    // A segment that has been sent to its end is left alone: a resend then has the same segments.
    if (last?.stream === stream && isNear && this.unsentBytes > 0) last.lengthBytes += bytes.length;
    else this.#segments.push({ stream, at, offset: this.endOffset, lengthBytes: bytes.length });
    this.#bytes.push(bytes);
  }

  /** The next piece to send, within both limits; marks it as sent. `undefined` when all is sent. */
  take(maxBytes: number, maxSegments: number): LogPiece | undefined {
    const offset = this.#sentOffset;
    const segments: LogSegment[] = [];
    let roomBytes = Math.min(maxBytes, this.unsentBytes);
    while (roomBytes > 0 && segments.length < maxSegments) {
      const segment = this.#segments[this.#sentIndex];
      invariant(segment, "there is a segment for each unsent byte");
      const segmentEnd = segment.offset + segment.lengthBytes;
      const lengthBytes = Math.min(roomBytes, segmentEnd - this.#sentOffset);
      segments.push({ stream: segment.stream, lengthBytes, at: segment.at });
      roomBytes -= lengthBytes;
      this.#sentOffset += lengthBytes;
      if (this.#sentOffset === segmentEnd) this.#sentIndex += 1;
    }
    if (segments.length === 0) return undefined;
    const data = this.#bytes.copy(offset - this.#ackedOffset, this.#sentOffset - offset);
    return { offset, data, segments };
  }

  /**
   * Forgets all below `offset`; `true` if that was anything. An old ack changes nothing, and one beyond the end counts
   * as the end: only a server that stored another attempt's bytes could send it, and there is nothing more to forget.
   */
  ack(offset: number): boolean {
    const ackedOffset = Math.min(offset, this.endOffset);
    if (ackedOffset <= this.#ackedOffset) return false;
    this.#bytes.drop(ackedOffset - this.#ackedOffset);
    this.#ackedOffset = ackedOffset;
    this.#sentOffset = Math.max(this.#sentOffset, ackedOffset);
    const firstKept = this.#segments.findIndex((s) => s.offset + s.lengthBytes > ackedOffset);
    const count = firstKept === -1 ? this.#segments.length : firstKept;
    this.#segments.splice(0, count);
    this.#sentIndex = this.#indexAt(this.#sentOffset, Math.max(0, this.#sentIndex - count));
    return true;
  }

  /** Sends everything again that is not acked. */
  rewind(): void {
    this.#sentOffset = this.#ackedOffset;
    this.#sentIndex = 0;
  }

  /** Index of the segment that holds the byte at `offset`, looking from `index` on; their number at the end. */
  #indexAt(offset: number, index: number): number {
    let found = index;
    for (
      let segment = this.#segments[found];
      segment !== undefined;
      segment = this.#segments[found]
    ) {
      if (offset < segment.offset + segment.lengthBytes) break;
      found += 1;
    }
    return found;
  }
}
