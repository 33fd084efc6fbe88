import type { HodeiClient } from "@hodei/sdk";
import type { Stack } from "../stack.ts";
import { openWorkers } from "../workers/open-workers.ts";

const WORKER_COUNT = 4;
const SLOT_COUNT = 125;
/** Jobs that are stored and have not ended: enough to keep the workers busy, and always the same. */
const UNFINISHED_COUNT = 1_000;
const BATCH_COUNT = 100;

const spec = { work: { case: "script", value: { content: "echo done\n" } } } as const;

export interface LoadOptions {
  readonly jobCount: number;
  /** Told of each job that has ended: milliseconds since the call that submitted it. */
  readonly onEnded: (lifeMs: number) => void;
  readonly signal: AbortSignal;
}

/** Sends jobs through simulated workers, with the same number unfinished all the time. Resolves when all have ended. */
export async function runLoad(
  { connect, workerUrl }: Stack,
  { jobCount, onEnded, signal }: LoadOptions,
): Promise<void> {
  const client = connect();
  const lives = new Lives(onEnded);
  const workers = await openWorkers({
    client,
    workerUrl,
    count: WORKER_COUNT,
    slotCount: SLOT_COUNT,
    onEnded: (jobId) => lives.end(jobId),
    signal,
  });
  try {
    const submitters = Array.from({ length: UNFINISHED_COUNT / BATCH_COUNT }, (_, index) =>
      submitInTurn(client, lives, { jobCount: shareOf(jobCount, index), signal }),
    );
    await Promise.race([workers.over, Promise.all(submitters)]);
  } finally {
    await workers.close();
  }
}

/** What the submitter with this index is to submit. */
function shareOf(jobCount: number, index: number): number {
  const submitterCount = UNFINISHED_COUNT / BATCH_COUNT;
  return Math.floor((jobCount + submitterCount - 1 - index) / submitterCount);
}

/** Submits a batch whenever the last one has ended. */
async function submitInTurn(
  client: HodeiClient,
  lives: Lives,
  { jobCount, signal }: { readonly jobCount: number; readonly signal: AbortSignal },
): Promise<void> {
  for (let leftCount = jobCount; leftCount > 0; leftCount -= BATCH_COUNT) {
    signal.throwIfAborted();
    const jobs = Array.from({ length: Math.min(leftCount, BATCH_COUNT) }, () => ({ spec }));
    const submittedAtMs = performance.now();
    const { jobIds } = await client.jobs.createJobs({ jobs });
    await Promise.all(jobIds.map((id) => lives.begin(id, submittedAtMs)));
  }
}

interface Life {
  readonly submittedAtMs: number;
  readonly resolve: () => void;
}

/** Jobs under way. A job may end before the call that submitted it is answered. */
class Lives {
  readonly #onEnded: (lifeMs: number) => void;
  readonly #begun = new Map<string, Life>();
  readonly #endedAtMs = new Map<string, number>();

  constructor(onEnded: (lifeMs: number) => void) {
    this.#onEnded = onEnded;
  }

  /** Resolves when the job has ended. */
  begin(jobId: string, submittedAtMs: number): Promise<void> {
    const endedAtMs = this.#endedAtMs.get(jobId);
    if (endedAtMs !== undefined) {
      this.#endedAtMs.delete(jobId);
      this.#onEnded(endedAtMs - submittedAtMs);
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.#begun.set(jobId, { submittedAtMs, resolve });
    });
  }

  end(jobId: string): void {
    const nowMs = performance.now();
    const life = this.#begun.get(jobId);
    if (life === undefined) {
      if (this.#endedAtMs.has(jobId)) throw new Error(`job ${jobId} ended twice`);
      this.#endedAtMs.set(jobId, nowMs);
      return;
    }
    this.#begun.delete(jobId);
    this.#onEnded(nowMs - life.submittedAtMs);
    life.resolve();
  }
}
