import {
  type AttemptRef,
  applyWorkerEvent,
  type Hello,
  type Job,
  type LogAck,
  PlatformError,
  type Stores,
  type Worker,
  type WorkerEvent,
  type WorkerId,
  writeCause,
} from "@hodei/domain";
import { isCurrent, loseAttempts, startAttempt, withAttempt } from "./attempts.ts";
import type { Deps } from "./deps.ts";
import { Session } from "./session.ts";
import { OpenSession } from "./sessions.ts";

/**
 * Opens the one session of a worker and settles what both sides believe: attempts that the worker holds and that are
 * still its own go on, others are abandoned; running attempts that it no longer knows of are lost.
 * @throws PlatformError `permission_denied` if the worker may not come back
 */
export async function openSession(deps: Deps, workerId: WorkerId, hello: Hello): Promise<Session> {
  const connectedAt = deps.clock.now();
  const held = await deps.database.transact(async (stores) => {
    const worker = await connect(deps, stores, { workerId, hello, at: connectedAt });
    const jobs = await stores.jobs.listOfWorkers([workerId]);
    return reconcile(deps, stores, { worker, hello, jobs });
  });
  const open = new OpenSession(workerId, hello.facts.capacity, connectedAt);
  open.send({
    type: "welcome",
    workerId,
    heartbeatIntervalMs: deps.settings.heartbeatIntervalMs,
    logAcks: await durableOffsets(deps, held),
  });
  const heldTokens = new Set(held.map(({ leaseToken }) => leaseToken));
  for (const ref of hello.attempts) {
    if (heldTokens.has(ref.leaseToken)) open.sentAssignments.add(ref.leaseToken);
    else open.send({ type: "abandon_attempt", ref });
  }
  deps.sessions.add(open);
  deps.signals.notify("workers");
  deps.signals.notify("due");
  deps.signals.notify("held");
  deps.log.info("session_opened", { workerId, heldAttempts: held.length });
  return new Session(deps, open);
}

/** Stores that the worker is connected here. */
async function connect(
  deps: Pick<Deps, "replicaId">,
  { workers }: Stores,
  { workerId, hello, at }: { workerId: WorkerId; hello: Hello; at: Date },
): Promise<Worker> {
  const worker = await workers.lock(workerId);
  if (worker.state === "terminated") {
    throw new PlatformError(
      "permission_denied",
      "worker_terminated",
      `worker ${workerId} was terminated; start it anew with a new join token`,
    );
  }
  const { replicaId } = deps;
  const event: WorkerEvent = { type: "connected", at, replicaId, facts: hello.facts };
  return workers.update(applyWorkerEvent(worker, event), [event]);
}

/** Those attempts of the hello that are the worker's to go on with. */
async function reconcile(
  deps: Pick<Deps, "clock" | "random" | "logs">,
  stores: Stores,
  { worker, hello, jobs }: { worker: Worker; hello: Hello; jobs: readonly Job[] },
): Promise<readonly AttemptRef[]> {
  const workerId = worker.id;
  const at = deps.clock.now();
  const ids = new Set(jobs.map(({ id }) => id));
  const held: AttemptRef[] = [];
  for (const ref of hello.attempts) {
    if (!ids.has(ref.jobId)) continue;
    // Judged once it is locked: the attempt may just have been taken back and given to another worker.
    const job = await stores.jobs.lock(ref.jobId);
    if (!isCurrent(job, workerId, ref)) continue;
    held.push(ref);
    if (job.state !== "assigned") continue;
    await stores.jobs.updateAll([startAttempt(await withAttempt(stores, job), at)]);
  }
  const heldIds = new Set(held.map(({ jobId }) => jobId));
  const forgotten = jobs.filter(({ id, state }) => state === "running" && !heldIds.has(id));
  const message = "the worker came back without this attempt";
  const causedBy = writeCause("worker", worker);
  await loseAttempts(deps, stores, { workerId, jobs: forgotten, at, message, causedBy });
  return held;
}

async function durableOffsets(
  deps: Pick<Deps, "logs">,
  refs: readonly AttemptRef[],
): Promise<readonly LogAck[]> {
  return Promise.all(
    refs.map(async (ref) => ({
      ref,
      offset: await deps.logs.durableOffset(ref.jobId, ref.attempt),
    })),
  );
}
