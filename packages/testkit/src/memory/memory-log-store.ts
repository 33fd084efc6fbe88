import {
  type AppendResult,
  type Database,
  isAttemptOver,
  type JobId,
  type LogBatch,
  type LogChunk,
  type LogPage,
  type LogRange,
  type LogStore,
  type LogStream,
  PlatformError,
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
    for (const batch of batches) checkBatch(batch);
    return this.#database.transact(async (stores) => {
      const current = await Promise.all(batches.map((batch) => isCurrent(stores, batch)));
      return batches.map((batch, index) => (current[index] ? this.#store(batch) : REFUSED));
    });
  }

  async read({ jobId, attempt, offset, maxBytes, stream }: LogRange): Promise<LogPage> {
    const stored = this.#chunks(jobId, attempt);
    const chunks: LogChunk[] = [];
    let room = Math.max(1, maxBytes);
    for (const chunk of stored) {
      const skipped = Math.max(0, offset - chunk.offset);
      if (skipped >= chunk.data.length || (stream !== null && chunk.stream !== stream)) continue;
      const data = chunk.data.slice(skipped, skipped + room);
      chunks.push({ ...chunk, offset: chunk.offset + skipped, data });
      room -= data.length;
      if (room === 0) return { chunks, nextOffset: chunk.offset + skipped + data.length };
    }
    return { chunks, nextOffset: Math.max(offset, endOf(stored)) };
  }

  async durableOffset(jobId: JobId, attempt: number): Promise<number> {
    return endOf(this.#chunks(jobId, attempt));
  }

  async findTailOffset(
    jobId: JobId,
    attempt: number,
    lines: number,
    stream: LogStream | null,
  ): Promise<number> {
    const chunks = this.#chunks(jobId, attempt);
    if (lines <= 0) return endOf(chunks);
    let found = 0;
    let atEnd = true;
    for (const { data, offset, stream: of } of chunks.toReversed()) {
      if (stream !== null && of !== stream) continue;
      for (let index = data.length - 1; index >= 0; index -= 1) {
        // The newline that ends the last line begins no other.
        if (data[index] === NEWLINE && !atEnd) found += 1;
        if (found === lines) return offset + index + 1;
        atEnd = false;
      }
    }
    return 0;
  }

  #store({ ref, offset, data, segments }: LogBatch): AppendResult {
    const chunks = this.#chunks(ref.jobId, ref.attempt);
    let durableOffset = endOf(chunks);
    if (offset > durableOffset) return { kind: "stored", durableOffset };
    let start = 0;
    for (const { stream, lengthBytes, at } of segments) {
      const end = start + lengthBytes;
      const fresh = data.slice(Math.max(start, durableOffset - offset), end);
      if (offset + end > durableOffset && fresh.length > 0) {
        chunks.push({ stream, at, offset: durableOffset, data: fresh });
        durableOffset += fresh.length;
      }
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

function checkBatch({ data, segments }: LogBatch): void {
  const total = segments.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  if (total === data.length && segments.every(({ lengthBytes }) => lengthBytes >= 0)) return;
  throw new PlatformError(
    "invalid_argument",
    "malformed_log_batch",
    `the segments of a log batch make ${total} bytes, its data has ${data.length}`,
  );
}

function endOf(chunks: readonly LogChunk[]): number {
  const last = chunks.at(-1);
  return last === undefined ? 0 : last.offset + last.data.length;
}

const keyOf = (jobId: JobId, attempt: number): string => `${jobId}/${attempt}`;
