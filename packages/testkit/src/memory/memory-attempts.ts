import {
  type Attempt,
  type AttemptReader,
  type AttemptStore,
  type AttemptTally,
  isWorkerFault,
  type JobId,
  type WorkerId,
} from "@hodei/domain";
import type { Tables } from "./tables.ts";

export class MemoryAttemptReader implements AttemptReader {
  readonly #tables: Tables;

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  async find(jobId: JobId, number: number): Promise<Attempt | undefined> {
    return this.#tables.attempts.get(attemptKey({ jobId, number }));
  }

  async list(jobId: JobId): Promise<readonly Attempt[]> {
    const attempts: Attempt[] = [];
    for (let number = 1; ; number += 1) {
      const attempt = this.#tables.attempts.get(attemptKey({ jobId, number }));
      if (attempt === undefined) return attempts;
      attempts.push(attempt);
    }
  }

  async tally(after: Date, until: Date): Promise<readonly AttemptTally[]> {
    const { attempts, movedJobs } = this.#tables;
    const here = [...attempts.values()].filter(({ jobId }) => movedJobs.get(jobId) === undefined);
    const isCounted = ({ finishedAt }: Attempt) =>
      finishedAt !== null && finishedAt > after && finishedAt <= until;
    return [...Map.groupBy(here, ({ workerId }) => workerId)].map(([workerId, own]) =>
      toTally(workerId, own, isCounted),
    );
  }
}

function toTally(
  workerId: WorkerId,
  attempts: readonly Attempt[],
  isCounted: (attempt: Attempt) => boolean,
): AttemptTally {
  const ended = attempts.filter(isCounted);
  const starts = ended.flatMap(({ assignedAt, startedAt }) =>
    startedAt === null ? [] : [startedAt.getTime() - assignedAt.getTime()],
  );
  return {
    workerId,
    lastAssignedAt: new Date(Math.max(...attempts.map((attempt) => attempt.assignedAt.getTime()))),
    endedCount: ended.length,
    faultCount: ended.filter(({ outcome }) => outcome && isWorkerFault(outcome.reason)).length,
    startedCount: starts.length,
    startMs: starts.length === 0 ? null : starts.reduce((a, b) => a + b) / starts.length,
  };
}

/** Attempts within a transaction; they are written with their jobs. */
export class MemoryAttemptStore extends MemoryAttemptReader implements AttemptStore {
  lock(jobId: JobId, number: number): Promise<Attempt | undefined> {
    return this.find(jobId, number);
  }
}

export function storeAttempt({ attempts }: Tables, attempt: Attempt): void {
  attempts.set(attemptKey(attempt), attempt);
}

type AttemptKey = Pick<Attempt, "jobId" | "number">;

export const attemptKey = ({ jobId, number }: AttemptKey): string => `${jobId}/${number}`;
