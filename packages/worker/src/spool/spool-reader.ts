import type { LogSegment } from "@hodei/domain";
import type { SpoolFile } from "./spool-file.ts";
import {
  decodeHeader,
  GAP_BYTES_MAX,
  HEADER_BYTES,
  isGap,
  logBytesOf,
  payloadBytesOf,
  type RecordHeader,
} from "./spool-record.ts";

/** Of one read of a file. All attempts share it: nothing in it is needed from one `read` to the next. */
const WINDOW = Buffer.alloc(128 * 1024);
const NO_DATA = Buffer.alloc(0);

/** What a reader found next. `data` is only good until the next call. */
export interface SpoolPiece {
  readonly segment: LogSegment;
  readonly data: Uint8Array;
}

/** A place in the files of a log: in `file`, before the byte `offset` of the log. */
interface Place {
  readonly file: SpoolFile;
  /** Of the record in the file. */
  position: number;
  /** Of the log, where that record begins. */
  recordOffset: number;
}

/**
 * Reads the records of an attempt's spool files one after another, from any offset of the log. What a file that cannot be
 * read any more stood for is a gap: neither the rest of the log nor other attempts wait for it.
 */
export class SpoolReader {
  readonly #files: readonly SpoolFile[];
  readonly #onError: (error: unknown) => void;
  readonly #unreadable = new WeakSet<SpoolFile>();
  #place: Place | undefined;
  /** Of the next byte. */
  #offset: number;
  /** Where in its file the window begins, how much of it is filled, and of which file. */
  #windowStart = 0;
  #windowBytes = 0;
  #windowFile: SpoolFile | undefined;
  /** Of the last record that was read, for the gap of those that cannot be. */
  #atMs = 0;

  /** `files` may grow at its end and be shortened at its start; `seek` then. `onError` hears of each file once. */
  constructor(files: readonly SpoolFile[], offset: number, onError: (error: unknown) => void) {
    this.#files = files;
    this.#offset = offset;
    this.#onError = onError;
  }

  get offset(): number {
    return this.#offset;
  }

  /** Goes on at `offset`, which lies within the files or at their end. */
  seek(offset: number): void {
    if (offset === this.#offset && this.#place !== undefined && this.#isKept(this.#place)) return;
    this.#place?.file.close();
    this.#place = undefined;
    this.#offset = offset;
  }

  /** Begins a run of `next`, which sees what was written until now. */
  begin(): void {
    this.#windowFile = undefined;
  }

  /** The next record or part of one, with `maxBytes` of data at most; `undefined` at the end. */
  next(maxBytes: number): SpoolPiece | undefined {
    for (;;) {
      const place = this.#findPlace();
      if (place === undefined) return undefined;
      const piece = this.#pieceAt(place, maxBytes) ?? this.#lostAt(place);
      if (piece !== undefined) return piece;
      if (!this.#goToNextFile(place)) return undefined;
    }
  }

  /** `undefined`: the file has no more, or cannot be read. */
  #pieceAt(place: Place, maxBytes: number): SpoolPiece | undefined {
    const { file } = place;
    if (this.#unreadable.has(file)) return undefined;
    try {
      while (place.position < file.sizeBytes) {
        const header = this.#headerAt(place);
        this.#atMs = header.atMs;
        const readBytes = this.#offset - place.recordOffset;
        if (readBytes < logBytesOf(header)) return this.#piece(place, header, maxBytes);
        place.position += HEADER_BYTES + payloadBytesOf(header);
        place.recordOffset += logBytesOf(header);
      }
    } catch (error) {
      this.#unreadable.add(file);
      this.#onError(error);
    }
    return undefined;
  }

  /** What is missing of a file that cannot be read. */
  #lostAt({ file }: Place): SpoolPiece | undefined {
    const lengthBytes = Math.min(file.endOffset - this.#offset, GAP_BYTES_MAX);
    if (!this.#unreadable.has(file) || lengthBytes <= 0) return undefined;
    this.#offset += lengthBytes;
    const at = new Date(this.#atMs);
    return { segment: { stream: "stdout", lengthBytes, at, gap: "dropped" }, data: NO_DATA };
  }

  #piece(place: Place, header: RecordHeader, maxBytes: number): SpoolPiece {
    const readBytes = this.#offset - place.recordOffset;
    const leftBytes = header.lengthBytes - readBytes;
    const { stream, kind } = header;
    const at = new Date(header.atMs);
    if (isGap(kind)) {
      this.#offset += leftBytes;
      return { segment: { stream, lengthBytes: leftBytes, at, gap: kind }, data: NO_DATA };
    }
    const start = place.position + HEADER_BYTES + readBytes;
    const data = this.#bytes(place.file, start, Math.min(leftBytes, maxBytes));
    this.#offset += data.length;
    return { segment: { stream, lengthBytes: data.length, at, gap: null }, data };
  }

  /** Where the reader is: from the file's start when that is not known. */
  #findPlace(): Place | undefined {
    if (this.#place !== undefined) return this.#place;
    const file = this.#files.findLast(({ startOffset }) => startOffset <= this.#offset);
    if (file === undefined) return undefined;
    this.#place = { file, position: 0, recordOffset: file.startOffset };
    return this.#place;
  }

  /** @throws Error if there is none */
  #headerAt({ file, position }: Place): RecordHeader {
    const header = decodeHeader(this.#bytes(file, position, HEADER_BYTES), 0);
    if (header === undefined) throw new Error(`${file.path} holds no record at ${position}`);
    return header;
  }

  #goToNextFile({ file }: Place): boolean {
    const next = this.#files[this.#files.indexOf(file) + 1];
    if (next === undefined) return false;
    file.close();
    this.#place = { file: next, position: 0, recordOffset: next.startOffset };
    return true;
  }

  #isKept({ file }: Place): boolean {
    return this.#files.includes(file);
  }

  /** Up to `count` bytes of `file` from `position` on, at least one, and all of a header. @throws Error of the file system */
  #bytes(file: SpoolFile, position: number, count: number): Buffer {
    const isWithin =
      this.#windowFile === file &&
      position >= this.#windowStart &&
      position + Math.min(count, HEADER_BYTES) <= this.#windowStart + this.#windowBytes;
    if (!isWithin) {
      this.#windowFile = file;
      this.#windowStart = position;
      this.#windowBytes = file.read(WINDOW, position);
      if (this.#windowBytes < Math.min(count, HEADER_BYTES))
        throw new Error(`${file.path} ends before ${position + count}`);
    }
    const start = position - this.#windowStart;
    return WINDOW.subarray(start, Math.min(start + count, this.#windowBytes));
  }
}
