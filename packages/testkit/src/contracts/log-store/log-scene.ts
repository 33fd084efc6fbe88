import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { zstdCompressSync } from "node:zlib";
import {
  type Attempt,
  type AttemptRef,
  chunkEnd,
  type Database,
  type LogBatch,
  type LogStore,
  type LogStream,
} from "@hodei/domain";
import { after } from "../../builders.ts";

/** An empty log store, and the database whose attempts fence it. */
export interface LogStoreFixture {
  readonly logs: LogStore;
  readonly database: Database;
  /** Another instance over the same logs, as a server that comes back makes it. */
  reopen(): LogStore;
  close(): Promise<void>;
}

export interface LogScene extends LogStoreFixture {
  /** A running attempt of a new job. */
  attempt(): Promise<Attempt>;
}

export type Open = (context: TestContext) => Promise<LogScene>;

export function refOf({ jobId, number, leaseToken }: Attempt): AttemptRef {
  return { jobId, attempt: number, leaseToken };
}

/** Segments such as `out:text`, a millisecond apart. */
export function batchOf(ref: AttemptRef, offset: number, parts: readonly string[]): LogBatch {
  const texts = parts.map((part) => Buffer.from(part.slice(4), "latin1"));
  const segments = parts.map((part, index) => ({
    stream: part.startsWith("out:") ? ("stdout" as const) : ("stderr" as const),
    lengthBytes: texts[index]?.length ?? 0,
    at: after(index),
    gap: null,
  }));
  return { ref, offset, data: Buffer.concat(texts), compression: "none", segments };
}

/** The same batch as a worker sends it that compresses. */
export function compressed(batch: LogBatch): LogBatch {
  return { ...batch, data: zstdCompressSync(batch.data), compression: "zstd" };
}

export function everything({ jobId, attempt }: AttemptRef) {
  return { jobId, attempt, offset: 0, maxBytes: 1_000_000, stream: null };
}

/** The rest of the log as a reader puts it together, page by page; a question mark stands for each missing byte. */
export async function readThrough(
  logs: LogStore,
  { jobId, attempt }: AttemptRef,
  {
    maxBytes,
    stream,
    offset = 0,
  }: { readonly maxBytes: number; readonly stream: LogStream | null; readonly offset?: number },
): Promise<string> {
  let text = "";
  let position = offset;
  for (;;) {
    const { chunks, nextOffset } = await logs.read({
      jobId,
      attempt,
      offset: position,
      maxBytes,
      stream,
    });
    for (const chunk of chunks) {
      assert.ok(chunk.offset >= position && chunkEnd(chunk) > chunk.offset);
      assert.ok(stream === null || chunk.stream === stream);
      assert.ok(chunk.missing === null || chunk.data.length === 0);
      position = chunkEnd(chunk);
      text += latin1(chunk.data) + "?".repeat(chunk.missing?.lengthBytes ?? 0);
    }
    assert.ok(nextOffset >= position);
    position = nextOffset;
    if (chunks.length === 0) return text;
  }
}

export async function readStreams(logs: LogStore, ref: AttemptRef) {
  const read = (stream: LogStream | null) => readThrough(logs, ref, { maxBytes: 100, stream });
  return { both: await read(null), out: await read("stdout"), err: await read("stderr") };
}

export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}
