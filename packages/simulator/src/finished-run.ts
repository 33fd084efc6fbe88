import {
  type Attempt,
  type Database,
  DEFAULT_TENANT_ID,
  type Job,
  type JobId,
  type LogStore,
  type StoredEvent,
  type Worker,
} from "@hodei/domain";
import type { History } from "./history.ts";
import type { Scenario } from "./scenario.ts";

/** All that is known once a run is over: what is stored, and what others saw. Checkers judge it. */
export interface FinishedRun {
  readonly scenario: Pick<Scenario, "activeMs" | "pool" | "requests" | "timing">;
  readonly history: History;
  readonly jobs: ReadonlyMap<JobId, Job>;
  /** Oldest first. */
  readonly attempts: ReadonlyMap<JobId, readonly Attempt[]>;
  readonly workers: readonly Worker[];
  /** In the order in which they were committed. */
  readonly events: readonly StoredEvent[];
  /** What is stored of the log of `attempts`, by job and attempt. */
  readonly logs: ReadonlyMap<string, Uint8Array>;
}

/** A promise that was not kept. */
export interface Violation {
  readonly promise: string;
  readonly message: string;
  /** Job or worker concerned. */
  readonly subject: string | null;
}

/** More than any run makes. */
const EVERYTHING = { limit: 1_000_000, token: null };

/** Reads what is stored, past everything that may be broken. */
export async function readStored(
  database: Database,
  logs: LogStore,
): Promise<Omit<FinishedRun, "scenario" | "history">> {
  const { readers } = database;
  const filter = { tenantId: DEFAULT_TENANT_ID };
  const jobs = await readers.jobs.list(filter, EVERYTHING);
  const workers = await readers.workers.list({ ...filter, states: [] }, EVERYTHING);
  const { events } = await readers.events.list({ tenantId: null }, "", EVERYTHING.limit);
  const attempts = new Map<JobId, readonly Attempt[]>();
  const bytes = new Map<string, Uint8Array>();
  for (const { id } of jobs.items) {
    const list = await readers.attempts.list(id);
    attempts.set(id, list);
    for (const attempt of list) bytes.set(logKey(attempt), await readLog(logs, attempt));
  }
  const byId = new Map(jobs.items.map((job) => [job.id, job]));
  return { jobs: byId, attempts, workers: workers.items, events, logs: bytes };
}

export const logKey = ({ jobId, number }: Pick<Attempt, "jobId" | "number">): string =>
  `${jobId}/${number}`;

async function readLog(logs: LogStore, { jobId, number }: Attempt): Promise<Uint8Array> {
  const maxBytes = Number.MAX_SAFE_INTEGER;
  const range = { jobId, attempt: number, offset: 0, maxBytes, stream: null };
  const { chunks } = await logs.read(range);
  return Uint8Array.from(chunks.flatMap(({ data }) => [...data]));
}
