import {
  type Attempt,
  type AttemptReader,
  type AttemptStore,
  type JobId,
  PlatformError,
} from "@hodei/domain";
import type { DraftTables, Tables } from "./tables.ts";

export class MemoryAttemptReader implements AttemptReader {
  readonly #tables: Tables;

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  async find(jobId: JobId, number: number): Promise<Attempt | undefined> {
    return this.#tables.attempts.get(keyOf({ jobId, number }));
  }

  async list(jobId: JobId): Promise<readonly Attempt[]> {
    const attempts: Attempt[] = [];
    for (let number = 1; ; number += 1) {
      const attempt = this.#tables.attempts.get(keyOf({ jobId, number }));
      if (attempt === undefined) return attempts;
      attempts.push(attempt);
    }
  }
}

export class MemoryAttemptStore extends MemoryAttemptReader implements AttemptStore {
  readonly #draft: DraftTables;

  constructor(draft: DraftTables) {
    super(draft);
    this.#draft = draft;
  }

  lock(jobId: JobId, number: number): Promise<Attempt | undefined> {
    return this.find(jobId, number);
  }

  async insert(attempt: Attempt): Promise<void> {
    this.#draft.ensureOpen();
    if (this.#draft.attempts.get(keyOf(attempt)) !== undefined) {
      throw new PlatformError("internal", "duplicate_key", `${nameOf(attempt)} is stored already`);
    }
    this.#draft.attempts.set(keyOf(attempt), attempt);
  }

  async update(attempt: Attempt): Promise<void> {
    this.#draft.ensureOpen();
    if (this.#draft.attempts.get(keyOf(attempt)) === undefined) {
      throw new PlatformError("not_found", "attempt_not_found", `no ${nameOf(attempt)}`);
    }
    this.#draft.attempts.set(keyOf(attempt), attempt);
  }
}

type AttemptKey = Pick<Attempt, "jobId" | "number">;

const keyOf = ({ jobId, number }: AttemptKey): string => `${jobId}/${number}`;

const nameOf = ({ jobId, number }: AttemptKey): string => `attempt ${number} of job ${jobId}`;
