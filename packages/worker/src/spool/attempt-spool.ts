import { join } from "node:path";
import type { AttemptRef, AttemptReport } from "@hodei/domain";
import type { SpoolBudget } from "./spool-budget.ts";
import { SpoolFile } from "./spool-file.ts";
import type { RecordHeader } from "./spool-record.ts";

/** Files are removed whole, so this is about what acked log may still take up. */
const FILE_BYTES_MAX = 1024 * 1024;
/** An attempt with less than this is never full on account of others: each can go on, and is woken by its own acks. */
const MIN_SHARE_BYTES = 256 * 1024;

export interface AttemptSpoolOptions {
  readonly folder: string;
  readonly budget: SpoolBudget;
  /** Of files; at the bound `isFull` says so. */
  readonly maxBytes: number;
}

/** The files of an attempt that an earlier worker had, adjoining, oldest first. */
export interface FoundSpool {
  readonly files: readonly SpoolFile[];
  readonly hasReport: boolean;
}

/**
 * The files of one attempt: its log from the oldest byte that is not acked on, and its result. They are made when there
 * is something to write, and removed when all of it is acked.
 */
export class AttemptSpool {
  readonly #options: AttemptSpoolOptions;
  readonly #ref: AttemptRef;
  /** Adjoining, oldest first; the last one is written to. */
  readonly #files: SpoolFile[] = [];
  #sizeBytes = 0;
  #endOffset: number;
  #hasReport: boolean;

  /** `found`: what an earlier worker left of the attempt. */
  constructor(options: AttemptSpoolOptions, ref: AttemptRef, found?: FoundSpool) {
    this.#options = options;
    this.#ref = ref;
    for (const file of found?.files ?? []) this.#hold(file);
    this.#endOffset = this.#files.at(-1)?.endOffset ?? 0;
    this.#hasReport = found?.hasReport ?? false;
  }

  get files(): readonly SpoolFile[] {
    return this.#files;
  }

  /** Of the oldest byte that is here. */
  get startOffset(): number {
    return this.#files[0]?.startOffset ?? this.#endOffset;
  }

  get endOffset(): number {
    return this.#endOffset;
  }

  get recordCount(): number {
    return this.#files.reduce((sum, { recordCount }) => sum + recordCount, 0);
  }

  get isFull(): boolean {
    return this.#isAt(1);
  }

  /** Has room for a while: below half of the bound. */
  get isHalfEmpty(): boolean {
    return !this.#isAt(0.5);
  }

  /** Adds a record whatever the bound; its caller minds that. @throws Error of the file system; nothing is added then */
  append(header: RecordHeader, payload?: Uint8Array): void {
    const file = this.#writableFile();
    const beforeBytes = file.sizeBytes;
    file.append(header, payload);
    this.#count(file.sizeBytes - beforeBytes);
    this.#endOffset = file.endOffset;
  }

  /** @throws Error of the file system */
  saveReport({ ref: _, ...report }: AttemptReport): void {
    const json = Buffer.from(JSON.stringify(report));
    this.append({ kind: "report", stream: "stdout", lengthBytes: json.length, atMs: 0 }, json);
    this.#hasReport = true;
  }

  /** Removes the files that end at or before `offset`, but for the one with the result. */
  dropBelow(offset: number): void {
    for (let file = this.#files[0]; file !== undefined; file = this.#files[0]) {
      if (file.endOffset > offset || (this.#hasReport && this.#files.length === 1)) return;
      this.#removeFirst();
    }
  }

  removeAll(): void {
    while (this.#files.length > 0) this.#removeFirst();
  }

  #isAt(share: number): boolean {
    const { budget, maxBytes } = this.#options;
    if (this.#sizeBytes >= maxBytes * share) return true;
    return this.#sizeBytes >= MIN_SHARE_BYTES * share && budget.isAt(share);
  }

  #writableFile(): SpoolFile {
    const last = this.#files.at(-1);
    const { folder, maxBytes } = this.#options;
    if (last !== undefined && last.sizeBytes < Math.min(FILE_BYTES_MAX, maxBytes / 4)) return last;
    last?.close();
    const owner = Buffer.from(JSON.stringify(this.#ref));
    const path = join(folder, spoolFileName(this.#ref, this.#endOffset));
    const file = SpoolFile.create(path, this.#endOffset, owner);
    this.#hold(file);
    return file;
  }

  #hold(file: SpoolFile): void {
    this.#files.push(file);
    this.#count(file.sizeBytes);
  }

  #removeFirst(): void {
    const file = this.#files.shift();
    this.#count(-(file?.sizeBytes ?? 0));
    file?.remove();
  }

  #count(bytes: number): void {
    this.#sizeBytes += bytes;
    this.#options.budget.count(bytes);
  }
}

/** `<job>-<attempt>-<lease token>-<offset>.spool`; names of one attempt sort by offset. */
export function spoolFileName({ jobId, attempt, leaseToken }: AttemptRef, offset: number): string {
  return `${jobId}-${attempt}-${leaseToken}-${String(offset).padStart(16, "0")}.spool`;
}

/** What groups the files of one attempt, and where this one begins; `undefined` for a name of another kind. */
export function parseSpoolFileName(
  name: string,
): { readonly key: string; readonly startOffset: number } | undefined {
  const [, key, digits] = /^(.+)-(\d{16})\.spool$/.exec(name) ?? [];
  return key === undefined ? undefined : { key, startOffset: Number(digits) };
}
