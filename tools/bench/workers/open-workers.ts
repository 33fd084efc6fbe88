import type { HodeiClient } from "@hodei/sdk";
import { joinWorkers } from "./join-workers.ts";
import { SimulatedWorker } from "./simulated-worker.ts";

export interface WorkersOptions {
  readonly client: HodeiClient;
  readonly workerUrl: string;
  readonly count: number;
  /** Of each worker: jobs of one core that it holds at once. */
  readonly slotCount: number;
  /** Called when the server has stored the result of a job. */
  readonly onEnded: (jobId: string) => void;
  readonly signal: AbortSignal;
}

/** Simulated workers that the server counts on. */
export interface OpenWorkers {
  /** Rejects if a session ends before `close`. */
  readonly over: Promise<void>;
  close(): Promise<void>;
}

export async function openWorkers(options: WorkersOptions): Promise<OpenWorkers> {
  const { workerUrl, slotCount, onEnded } = options;
  const capacity = { cpuMillis: slotCount * 1_000 };
  const identities = await joinWorkers(options);
  const workers = identities.map(
    (identity) => new SimulatedWorker({ workerUrl, identity, capacity, onEnded }),
  );
  await Promise.all(workers.map(({ welcomed }) => welcomed));
  return {
    over: Promise.race(workers.map(({ done }) => done)),
    async close() {
      await Promise.all(workers.map((worker) => worker.close()));
    },
  };
}
