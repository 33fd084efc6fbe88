import {
  applyJobEvent,
  hasRoom,
  isPreemptible,
  type Job,
  type JobEvent,
  loopCause,
  type Preemption,
  type Stores,
  writeCause,
} from "@hodei/domain";
import type { Deps } from "./deps.ts";
import { toHosts } from "./hosts.ts";

type PreemptDeps = Pick<Deps, "database" | "dueJobs" | "cluster" | "sessions" | "clock" | "log">;

/**
 * Asks jobs to give up their places for others, and promises those the room: each set of jobs in a transaction with the one
 * that they end for. A set that does not hold any more is planned anew next turn.
 */
export async function preemptJobs(
  deps: PreemptDeps,
  preemptions: readonly Preemption[],
): Promise<void> {
  for (const preemption of preemptions) {
    let isStored = false;
    try {
      isStored = await deps.database.transact((stores) => preempt(deps, stores, preemption));
    } finally {
      // Also where it may have been stored and no answer came: the next plan has to know of the promise.
      if (!isStored) {
        deps.dueJobs.forget();
        deps.cluster.forget();
      }
    }
    if (isStored) deps.log.info("jobs_preempted", { ...preemption });
  }
}

async function preempt(
  { sessions, clock }: PreemptDeps,
  stores: Stores,
  { jobId, version, workerId, victimIds }: Preemption,
): Promise<boolean> {
  // In the order in which the scheduler locks for a placement. Rows are locked in the order of their ids.
  const [workers, held, locked] = await Promise.all([
    stores.workers.lockAll([workerId]),
    stores.jobs.listOfWorkers([workerId]),
    stores.jobs.lockAll([jobId, ...victimIds]),
  ]);
  const [host] = toHosts(workers, held, sessions);
  const job = locked.find(({ id }) => id === jobId);
  const victims = locked.filter(({ id }) => id !== jobId);
  if (host?.state !== "ready" || job?.version !== version) return false;
  if (hasRoom(host.free, job.policy.requirements)) return false;
  if (victims.length < victimIds.length) return false;
  if (!victims.every((victim) => mayBeAsked(victim, workerId))) return false;
  const at = clock.now();
  const causedBy = loopCause("schedule");
  const claimed: JobEvent = { type: "room_claimed", at, workerId, victimIds, causedBy };
  const stored = await stores.jobs.update(applyJobEvent(job, claimed), [claimed]);
  for (const victim of victims) {
    const asked: JobEvent = {
      type: "preempt_requested",
      at,
      byJobId: jobId,
      causedBy: writeCause("job", stored),
    };
    await stores.jobs.update(applyJobEvent(victim, asked), [asked]);
  }
  return true;
}

/** It has not ended since the plan was made, nor was it asked to for another reason. */
function mayBeAsked(
  { lease, cancelRequest, preemption, policy, preemptionCount }: Job,
  workerId: Preemption["workerId"],
): boolean {
  return (
    lease?.workerId === workerId &&
    cancelRequest === null &&
    preemption === null &&
    isPreemptible(policy, preemptionCount)
  );
}
