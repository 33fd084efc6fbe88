import type { Stack } from "../../stack.ts";
import { openWorkers } from "../../workers/open-workers.ts";
import { type OpenQueue, SCRIPT } from "./job-queue.ts";

const WORKER_COUNT = 4;
const SLOT_COUNT = 250;

const spec = { work: { case: "script", value: { content: SCRIPT } } } as const;

/** The server of `stack`, with simulated workers over sessions of their own. */
export const hodeiQueue =
  (stack: Stack, signal: AbortSignal): OpenQueue =>
  async (onEnded) => {
    const client = stack.connect();
    const { over, close } = await openWorkers({
      client,
      workerUrl: stack.workerUrl,
      count: WORKER_COUNT,
      slotCount: SLOT_COUNT,
      onEnded: () => onEnded(1),
      signal,
    });
    return {
      over,
      close,
      async submit(count) {
        const jobs = Array.from({ length: count }, () => ({ spec }));
        await client.jobs.createJobs({ jobs });
      },
    };
  };
