import {
  type Attempt,
  applyJobEvent,
  DEFAULT_PLACEMENT_POLICY,
  hold,
  type Job,
  type JobEvent,
  type Lease,
  type Placement,
  planPlacements,
  rejection,
  type Stores,
} from "@hodei/domain";
import type { Deps } from "./deps.ts";
import { lockHosts, readHosts } from "./hosts.ts";

/** Placements that one transaction stores. */
const PLACEMENTS_PER_TRANSACTION = 100;

type ScheduleDeps = Pick<
  Deps,
  "database" | "clock" | "newLeaseToken" | "sessions" | "settings" | "activity" | "log"
>;

/** One scheduling turn: places what is due on what is free. Returns when the next job falls due. */
export async function scheduleJobs(deps: ScheduleDeps): Promise<Date | undefined> {
  const { readers } = deps.database;
  const now = deps.clock.now();
  const candidates = await readers.jobs.listDue(now, deps.settings.scheduleLimitCount);
  if (candidates.length > 0) {
    const hosts = await readHosts({ readers, sessions: deps.sessions });
    const { placements } = planPlacements(candidates, hosts, { policy: DEFAULT_PLACEMENT_POLICY });
    for (let start = 0; start < placements.length; start += PLACEMENTS_PER_TRANSACTION) {
      const some = placements.slice(start, start + PLACEMENTS_PER_TRANSACTION);
      deps.activity.note(
        some.map(({ workerId }) => workerId),
        now,
      );
      await store(deps, some);
    }
  }
  return (await readers.jobs.nextDueAt(now)) ?? undefined;
}

/**
 * Stores the placements that still hold: the job is as it was planned, and fits its worker as that is now, whatever
 * another replica that took itself for the leader, or a reaper, did meanwhile. The others are planned anew next turn.
 */
async function store(deps: ScheduleDeps, placements: readonly Placement[]): Promise<void> {
  const workerIds = placements.map(({ workerId }) => workerId);
  await deps.database.transact(async (stores) => {
    const locked = await lockHosts(stores, deps.sessions, workerIds);
    const hosts = new Map(locked.map((host) => [host.workerId, host]));
    for (const placement of placements) {
      const job = await stores.jobs.lock(placement.jobId);
      const host = hosts.get(placement.workerId);
      const { requirements } = job.policy;
      if (job.version !== placement.version || host === undefined) continue;
      if (rejection(host, { tenantId: job.tenantId, requirements }) !== undefined) continue;
      await assign(deps, stores, job, placement);
      hosts.set(host.workerId, hold(host, requirements));
    }
  });
}

async function assign(
  deps: ScheduleDeps,
  { jobs, attempts }: Stores,
  job: Job,
  { workerId }: Placement,
): Promise<void> {
  const at = deps.clock.now();
  const lease: Lease = {
    token: deps.newLeaseToken(),
    workerId,
    acknowledgeBy: new Date(at.getTime() + deps.settings.acknowledgeTimeoutMs),
  };
  const event: JobEvent = { type: "assigned", at, lease };
  const assigned = await jobs.update(applyJobEvent(job, event), [event]);
  await attempts.insert(newAttempt(assigned, lease, at));
}

function newAttempt(job: Job, lease: Lease, assignedAt: Date): Attempt {
  return {
    jobId: job.id,
    number: job.attempt,
    tenantId: job.tenantId,
    workerId: lease.workerId,
    leaseToken: lease.token,
    state: "assigned",
    assignedAt,
    startedAt: null,
    finishedAt: null,
    outcome: null,
    logBytes: 0,
    processesLeft: 0,
    usage: null,
  };
}
