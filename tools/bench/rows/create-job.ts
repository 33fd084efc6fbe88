import type { HodeiClient } from "@hodei/sdk";
import type { Round } from "../result.ts";
import type { Row } from "../row.ts";
import { type Stack, withStack } from "../stack.ts";
import { openBareInserts } from "./create-job/bare-inserts.ts";

const ROUND_COUNT = 3;
const CLIENT_COUNT = 32;
const MEASURE_MS = 3_000;
/** Server and client are two to four times slower until their hot code is compiled. */
const WARM_UP_MS = 5_000;
/** Batch submit: calls under way at once, and jobs of each. */
const BATCHES_AT_ONCE = 2;
const BATCH_COUNT = 1_000;

const spec = { work: { case: "script", value: { content: "echo done\n" } } } as const;

/** Rate at which jobs are taken in. There is no worker, so they are stored, looked at by the scheduler, and wait. */
export const createJob: Row = {
  name: "create-job",
  about:
    "jobs created per second by 32 clients, and in batches; against one-row inserts by bare pg",
  figures: [
    { name: "create-job", unit: "jobs/s", target: { kind: "ratio_at_least", limit: 0.8 } },
    { name: "create-jobs", unit: "jobs/s", target: { kind: "value_at_least", limit: 20_000 } },
  ],
  measure: (signal) => withStack({ workerCount: 0, signal }, (stack) => measure(stack, signal)),
};

async function measure(stack: Stack, signal: AbortSignal) {
  const clients = Array.from({ length: CLIENT_COUNT }, () => stack.connect());
  const [first] = clients;
  if (first === undefined) throw new Error("there is at least one client");
  await first.jobs.createJob({ spec });
  const bare = await openBareInserts(stack.databaseUrl, CLIENT_COUNT);
  try {
    const one = (durationMs: number) => rate({ durationMs, signal }, clients.map(createOne));
    const batches = (durationMs: number) =>
      rate(
        { durationMs, signal },
        Array.from({ length: BATCHES_AT_ONCE }, () => createBatch(first)),
      );
    const baseline = (durationMs: number) => rate({ durationMs, signal }, bare.inserts);
    for (const part of [one, batches, baseline]) {
      await part(WARM_UP_MS);
      await bare.forgetJobs();
    }
    const singleRounds: Round[] = [];
    const batchRounds: Round[] = [];
    while (singleRounds.length < ROUND_COUNT) {
      const inserted = await baseline(MEASURE_MS);
      await bare.forgetJobs();
      singleRounds.push({ value: await one(MEASURE_MS), baseline: inserted });
      await bare.forgetJobs();
      batchRounds.push({ value: await batches(MEASURE_MS), baseline: inserted });
      await bare.forgetJobs();
    }
    return [singleRounds, batchRounds];
  } finally {
    await bare.close();
  }
}

/** Stores jobs and says how many. */
type Insert = () => Promise<number>;

const createOne =
  (client: HodeiClient): Insert =>
  async () => {
    await client.jobs.createJob({ spec });
    return 1;
  };

const createBatch =
  (client: HodeiClient): Insert =>
  async () => {
    await client.jobs.createJobs({ jobs: Array.from({ length: BATCH_COUNT }, () => ({ spec })) });
    return BATCH_COUNT;
  };

/** Jobs per second when each of `inserts` is called again as soon as it has resolved. */
async function rate(
  { durationMs, signal }: { readonly durationMs: number; readonly signal: AbortSignal },
  inserts: readonly Insert[],
): Promise<number> {
  const startedAtMs = performance.now();
  const elapsedMs = () => performance.now() - startedAtMs;
  let count = 0;
  await Promise.all(
    inserts.map(async (insert) => {
      while (elapsedMs() < durationMs) {
        // Not in one expression: it would add to what `count` was before the wait.
        const stored = await insert();
        count += stored;
        signal.throwIfAborted();
      }
    }),
  );
  return (count / elapsedMs()) * 1_000;
}
