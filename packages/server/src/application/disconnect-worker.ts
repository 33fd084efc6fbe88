import { applyWorkerEvent, type WorkerEvent, type WorkerId } from "@hodei/domain";
import type { Deps } from "./deps.ts";

/** The latest session of a worker, and why there is none any more. */
interface EndedSession {
  readonly workerId: WorkerId;
  /** As stored with the worker; tells the session from others. */
  readonly connectedAt: Date;
  readonly message: string;
  /** How long the worker has to come back. */
  readonly graceMs: number;
}

/** Stores that the session is over, unless the worker has opened another one or is gone. Repeats change nothing. */
export async function disconnectWorker(
  { database, clock }: Pick<Deps, "database" | "clock">,
  { workerId, connectedAt, message, graceMs }: EndedSession,
): Promise<void> {
  await database.transact(async ({ workers, jobs }) => {
    const worker = await workers.lock(workerId);
    if (worker.state !== "ready" && worker.state !== "draining") return;
    // Another session of the worker may have opened meanwhile, here or on another replica.
    if (worker.connectedAt?.getTime() !== connectedAt.getTime()) return;
    const held = await jobs.listOfWorkers([workerId]);
    const at = clock.now();
    if (worker.drainRequestedAt !== null && held.length === 0) {
      const event: WorkerEvent = { type: "terminated", at, message: "left after a drain" };
      await workers.update(applyWorkerEvent(worker, event), [event]);
    } else if (worker.connectBy === null) {
      const connectBy = new Date(at.getTime() + graceMs);
      const event: WorkerEvent = { type: "disconnected", at, connectBy, message };
      await workers.update(applyWorkerEvent(worker, event), [event]);
    }
    // Else that was stored before, and the time to come back that was given then stands.
  });
}
