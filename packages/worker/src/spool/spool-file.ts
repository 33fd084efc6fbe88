import { closeSync, ftruncateSync, openSync, readSync, rmSync, writevSync } from "node:fs";
import {
  decodeHeader,
  encodeHeader,
  HEADER_BYTES,
  logBytesOf,
  payloadBytesOf,
  type RecordHeader,
} from "./spool-record.ts";

/** What the records of a file stand for. */
export interface SpoolFileSummary {
  /** Of the log: where the first record stands, and where the last one ends. */
  readonly startOffset: number;
  readonly endOffset: number;
  /** Of the file. */
  readonly sizeBytes: number;
  /** Records with a place in the log. */
  readonly recordCount: number;
}

const EMPTY = Buffer.alloc(0);

/**
 * One file of an attempt's spool. Written and read on the event loop: these are copies to and from the page cache, some
 * 20 µs for 64 KiB, and the order of what was read is theirs. Nothing is synced to the disk, so a log survives the end of
 * the worker but not of the machine, with which its attempt ends as well.
 */
export class SpoolFile {
  readonly path: string;
  readonly startOffset: number;
  #endOffset: number;
  #sizeBytes: number;
  #recordCount: number;
  #fd: number | undefined;

  constructor(path: string, summary: SpoolFileSummary) {
    this.path = path;
    this.startOffset = summary.startOffset;
    this.#endOffset = summary.endOffset;
    this.#sizeBytes = summary.sizeBytes;
    this.#recordCount = summary.recordCount;
  }

  /** A new file that says first whose it is. @throws Error of the file system */
  static create(path: string, startOffset: number, owner: Buffer): SpoolFile {
    const summary = { startOffset, endOffset: startOffset, sizeBytes: 0, recordCount: 0 };
    const file = new SpoolFile(path, summary);
    file.#fd = openSync(path, "wx+", 0o600);
    try {
      file.append({ kind: "owner", stream: "stdout", lengthBytes: owner.length, atMs: 0 }, owner);
    } catch (error) {
      file.remove();
      throw error;
    }
    return file;
  }

  get endOffset(): number {
    return this.#endOffset;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get recordCount(): number {
    return this.#recordCount;
  }

  /** Adds a record, or, when that fails, nothing. @throws Error of the file system */
  append(header: RecordHeader, payload: Uint8Array = EMPTY): void {
    const fd = this.#open();
    const lengthBytes = HEADER_BYTES + payload.length;
    const parts = [encodeHeader(header), payload];
    const writtenBytes = writevSync(fd, parts, this.#sizeBytes);
    if (writtenBytes !== lengthBytes) {
      ftruncateSync(fd, this.#sizeBytes);
      throw new Error(`the disk took ${writtenBytes} of ${lengthBytes} bytes`);
    }
    this.#sizeBytes += lengthBytes;
    this.#endOffset += logBytesOf(header);
    if (logBytesOf(header) > 0) this.#recordCount += 1;
  }

  /** Fills `into` from `position` on; returns how many bytes there were. @throws Error of the file system */
  read(into: Buffer, position: number): number {
    const lengthBytes = Math.min(into.length, this.#sizeBytes - position);
    return lengthBytes <= 0 ? 0 : readSync(this.#open(), into, 0, lengthBytes, position);
  }

  /** Gives its descriptor back; the next use opens the file again. */
  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  /** A file that cannot be removed stays: its disk is broken, and its server takes nothing of it twice. */
  remove(): void {
    this.close();
    try {
      rmSync(this.path, { force: true });
    } catch {
      // What could be told of it was told when the disk was written to.
    }
  }

  #open(): number {
    this.#fd ??= openSync(this.path, "r+");
    return this.#fd;
  }
}

/** A file of an earlier worker, as far as its records are whole. */
export interface FoundFile {
  readonly summary: SpoolFileSummary;
  /** JSON. */
  readonly owner: string;
  /** JSON; `undefined`: nobody saw the attempt end. */
  readonly report: string | undefined;
}

/**
 * What `bytes`, all of a file, hold. A worker that was killed while it wrote leaves a record that is cut short; it ends
 * the file, and its bytes count as never read. `undefined`: not even its owner is known.
 */
export function summarize(bytes: Buffer, startOffset: number): FoundFile | undefined {
  let position = 0;
  let endOffset = startOffset;
  let recordCount = 0;
  let owner: string | undefined;
  let report: string | undefined;
  for (;;) {
    const header = decodeHeader(bytes, position);
    if (header === undefined) break;
    const payloadStart = position + HEADER_BYTES;
    const payloadEnd = payloadStart + payloadBytesOf(header);
    if (payloadEnd > bytes.length) break;
    if (header.kind === "owner") owner = bytes.toString("utf8", payloadStart, payloadEnd);
    if (header.kind === "report") report = bytes.toString("utf8", payloadStart, payloadEnd);
    if (logBytesOf(header) > 0) recordCount += 1;
    endOffset += logBytesOf(header);
    position = payloadEnd;
  }
  if (owner === undefined) return undefined;
  return { summary: { startOffset, endOffset, sizeBytes: position, recordCount }, owner, report };
}
