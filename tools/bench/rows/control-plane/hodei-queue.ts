import type { Stack } from "../../stack.ts";
import { joinWorkers } from "../../workers/join-workers.ts";
import { SimulatedWorker } from "../../workers/simulated-worker.ts";
import { type OpenQueue, SCRIPT } from "./job-queue.ts";

const WORKER_COUNT = 4;
/** Of each worker: jobs of one core that it holds at once. */
const SLOT_COUNT = 250;

const spec = { work: { case: "script", value: { content: SCRIPT } } } as const;

/** The server of `stack`, with simulated workers over sessions of their own. */
export const hodeiQueue =
  (stack: Stack, signal: AbortSignal): OpenQueue =>
  async (onEnded) => {
    const client = stack.connect();
    const { workerUrl } = stack;
    const identities = await joinWorkers({ client, workerUrl, count: WORKER_COUNT, signal });
    const capacity = { cpuMillis: SLOT_COUNT * 1_000 };
    const workers = identities.map(
      (identity) =>
        new SimulatedWorker({ workerUrl, identity, capacity, onEnded: () => onEnded(1) }),
    );
    await Promise.all(workers.map(({ welcomed }) => welcomed));
    return {
      async submit(count) {
        const jobs = Array.from({ length: count }, () => ({ spec }));
        await client.jobs.createJobs({ jobs });
      },
      over: Promise.race(workers.map(({ done }) => done)),
      async close() {
        await Promise.all(workers.map((worker) => worker.close()));
      },
    };
  };
