import { zstdDecompressSync } from "node:zlib";
import {
  type AppendResult,
  chunkEnd,
  type Database,
  isAttemptOver,
  type JobId,
  type LogBatch,
  type LogChunk,
  type LogPage,
  type LogPlace,
  type LogPlaceQuery,
  type LogRange,
  type LogStore,
  PlatformError,
  presentBytes,
  type Stores,
} from "@hodei/domain";

const NEWLINE = 0x0a;

/** Logs that live as long as their process; fenced by the attempts of `database`. */
export class MemoryLogStore implements LogStore {
  readonly #database: Pick<Database, "transact">;
  /** By job and attempt; chunks touch, the first at offset 0. */
  readonly #logs = new Map<string, LogChunk[]>();

  constructor({ database }: { readonly database: Pick<Database, "transact"> }) {
    this.#database = database;
  }

  async append(batches: readonly LogBatch[]): Promise<readonly AppendResult[]> {
    const plain = batches.map(decompress);
    return this.#database.transact(async (stores) => {
      const current = await Promise.all(batches.map((batch) => isCurrent(stores, batch)));
      return plain.map((batch, index) => (current[index] ? this.#store(batch) : REFUSED));
    });
  }

  async read({ jobId, attempt, offset, maxBytes, stream }: LogRange): Promise<LogPage> {
    const stored = this.#chunks(jobId, attempt);
    const chunks: LogChunk[] = [];
    let room = Math.max(1, maxBytes);
    for (const chunk of stored) {
      if (chunkEnd(chunk) <= offset || (stream !== null && chunk.stream !== stream)) continue;
      const kept = cut(chunk, offset);
      const data = kept.data.slice(0, room);
      chunks.push({ ...kept, data });
      room -= data.length;
      if (room === 0) return { chunks, nextOffset: kept.offset + data.length };
    }
    return { chunks, nextOffset: Math.max(offset, endOf(stored)) };
  }

  async durableOffset(jobId: JobId, attempt: number): Promise<number> {
    return endOf(this.#chunks(jobId, attempt));
  }

  async findPlace({ jobId, attempt, stream, start }: LogPlaceQuery): Promise<LogPlace> {
    const stored = this.#chunks(jobId, attempt);
    const chunks = stored.filter((chunk) => stream === null || chunk.stream === stream);
    const newlines = chunks.flatMap(({ data, offset }) =>
      Array.from(data).flatMap((byte, index) => (byte === NEWLINE ? [offset + index] : [])),
    );
    const before = (offset: number): LogPlace => ({
      offset,
      linesBefore: newlines.filter((newline) => newline < offset).length,
    });
    const afterLines = (count: number): LogPlace => {
      if (count <= 0) return before(0);
      const newline = newlines[count - 1];
      return before(newline === undefined ? endOf(stored) : newline + 1);
    };
    switch (start.kind) {
      case "offset":
        return before(start.offset);
      case "line":
        return afterLines(start.number - 1);
      case "last_lines": {
        const isEnded = chunks.at(-1)?.data.at(-1) === NEWLINE;
        if (start.count <= 0) return before(endOf(stored));
        return afterLines(newlines.length - start.count + (isEnded ? 0 : 1));
      }
      case "time":
        return before(chunks.find(({ at }) => at >= start.at)?.offset ?? endOf(stored));
    }
  }

  #store({ ref, offset, data, segments }: LogBatch): AppendResult {
    const chunks = this.#chunks(ref.jobId, ref.attempt);
    let durableOffset = endOf(chunks);
    if (offset > durableOffset) return { kind: "stored", durableOffset };
    let position = offset;
    let start = 0;
    for (const { stream, lengthBytes, at, gap } of segments) {
      const missing = gap && { reason: gap, lengthBytes };
      const end = start + (missing === null ? lengthBytes : 0);
      const chunk = { stream, at, offset: position, data: data.slice(start, end), missing };
      if (chunkEnd(chunk) > durableOffset) chunks.push(cut(chunk, durableOffset));
      durableOffset = Math.max(durableOffset, chunkEnd(chunk));
      position += lengthBytes;
      start = end;
    }
    this.#logs.set(keyOf(ref.jobId, ref.attempt), chunks);
    return { kind: "stored", durableOffset };
  }

  #chunks(jobId: JobId, attempt: number): LogChunk[] {
    return this.#logs.get(keyOf(jobId, attempt)) ?? [];
  }
}

const REFUSED: AppendResult = { kind: "refused" };

async function isCurrent({ attempts }: Stores, { ref }: LogBatch): Promise<boolean> {
  const attempt = await attempts.find(ref.jobId, ref.attempt);
  return attempt?.leaseToken === ref.leaseToken && !isAttemptOver(attempt.state);
}

/** The part of `chunk` from `offset` on. */
function cut(chunk: LogChunk, offset: number): LogChunk {
  const skipped = Math.max(0, offset - chunk.offset);
  const { data, missing } = chunk;
  return {
    ...chunk,
    offset: chunk.offset + skipped,
    data: data.slice(skipped),
    missing: missing && { ...missing, lengthBytes: missing.lengthBytes - skipped },
  };
}

/** The batch with plain data. */
function decompress(batch: LogBatch): LogBatch {
  const expected = presentBytes(batch.segments);
  const areCounts = batch.segments.every(({ lengthBytes }) => lengthBytes >= 0);
  const data = batch.compression === "none" ? batch.data : unpack(batch.data, expected);
  if (areCounts && data?.length === expected) return { ...batch, data, compression: "none" };
  throw new PlatformError(
    "invalid_argument",
    "malformed_log_batch",
    `the segments of a log batch make ${expected} bytes, which its data is not`,
  );
}

/** `undefined` for what is no frame, or one of more than `maxBytes`. */
function unpack(data: Uint8Array, maxBytes: number): Uint8Array | undefined {
  try {
    return zstdDecompressSync(data, { maxOutputLength: Math.max(1, maxBytes) });
  } catch {
    return undefined;
  }
}

function endOf(chunks: readonly LogChunk[]): number {
  const last = chunks.at(-1);
  return last === undefined ? 0 : chunkEnd(last);
}

const keyOf = (jobId: JobId, attempt: number): string => `${jobId}/${attempt}`;
