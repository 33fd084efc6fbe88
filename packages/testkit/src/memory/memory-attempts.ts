import type { Attempt, AttemptReader, AttemptStore, JobId } from "@hodei/domain";
import type { Tables } from "./tables.ts";

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

/** Attempts within a transaction; they are written with their jobs. */
export class MemoryAttemptStore extends MemoryAttemptReader implements AttemptStore {
  lock(jobId: JobId, number: number): Promise<Attempt | undefined> {
    return this.find(jobId, number);
  }
}

export function storeAttempt({ attempts }: Tables, attempt: Attempt): void {
  attempts.set(keyOf(attempt), attempt);
}

type AttemptKey = Pick<Attempt, "jobId" | "number">;

const keyOf = ({ jobId, number }: AttemptKey): string => `${jobId}/${number}`;
