import {
  applyWorkerEvent,
  type Stores,
  type Worker,
  type WorkerEvent,
  writeCause,
} from "@hodei/domain";
import { loseAttempts } from "./attempts.ts";
import type { Deps } from "./deps.ts";

/** A worker is gone: stores it, and what that means for its attempts. The caller holds the worker. */
export async function removeWorker(
  deps: Pick<Deps, "logs" | "random" | "log">,
  stores: Stores,
  worker: Worker,
  event: Extract<WorkerEvent, { type: "lost" | "terminated" }>,
): Promise<void> {
  const removed = await stores.workers.update(applyWorkerEvent(worker, event), [event]);
  const jobs = await stores.jobs.listOfWorkers([worker.id]);
  const { at, message } = event;
  await loseAttempts(deps, stores, {
    workerId: worker.id,
    jobs,
    at,
    message: `worker ${worker.id} was lost: ${message}`,
    causedBy: writeCause("worker", removed),
  });
  deps.log.warn("worker_removed", { workerId: worker.id, state: event.type, message });
}
