import {
  type Candidate,
  describeDependency,
  endAskedAt,
  type Host,
  hold,
  type Job,
  type JudgedDependency,
  KIND_FILTERS,
  type LimitObstacle,
  MAX_PREEMPTIONS_PER_JOB,
  type MadeRoom,
  type Need,
  needOf,
  type Placement,
  type Plan,
  passes,
  planPlacements,
  queueDeadline,
  roomAt,
  runTimeLeftMs,
  SIZE_FILTERS,
  STATE_FILTERS,
  type Unplaceable,
  type WaitReason,
} from "@hodei/domain";
import { toCandidate } from "./candidate.ts";
import type { Deps } from "./deps.ts";
import { readFairShare } from "./fair-share.ts";
import { readCluster } from "./hosts.ts";
import { readLedger } from "./limits.ts";
import { planTerms } from "./plan-terms.ts";
import { type PoolReason, poolReasons } from "./pool-reasons.ts";
import { scoresOn, type WorkerScore } from "./score-workers.ts";

/** Why a job waits: a scheduler's reason, or one that lies outside of the workers. */
export interface ExplainReason {
  readonly code:
    | WaitReason["code"]
    | PoolReason["code"]
    | LimitObstacle["code"]
    | "dependency"
    | "not_before"
    | "retry_delay"
    | "deadline"
    | "kept"
    | "preempting"
    | "preempted"
    | "next_turn";
  readonly message: string;
  /** Workers that it is about. */
  readonly workerCount: number;
}

/** What becomes of a job that waits. */
export interface Verdict {
  /** Never empty. */
  readonly reasons: readonly ExplainReason[];
  /** Of the workers that it can have now, best first; none while it has to wait. */
  readonly scores: readonly WorkerScore[];
  /** When it starts; `null`: that cannot be said. */
  readonly expectedStartAt: Date | null;
}

export type JudgeDeps = Pick<
  Deps,
  "database" | "clock" | "sessions" | "pools" | "settings" | "activity" | "workerHistory"
>;

/**
 * What the scheduler's next turn would do with a pending job, stored or not, and why: the same plan over the same hosts,
 * with the job among those that are due.
 * @param dependencies what a blocked job still waits for
 */
export async function judgeWait(
  deps: JudgeDeps,
  job: Job,
  dependencies: readonly JudgedDependency[],
): Promise<Verdict> {
  const { readers } = deps.database;
  const now = deps.clock.now();
  const until = queueDeadline(job);
  if (until !== null && until <= now) return { ...NOTHING, reasons: [lateReason(until)] };
  if (job.isBlocked) return { ...NOTHING, reasons: dependencies.map(dependencyReason) };
  if (job.runAt > now && job.claimedWorkerId === null) {
    return { ...NOTHING, reasons: [delayReason(job)], expectedStartAt: job.runAt };
  }
  const due = await readers.jobs.listDue(now, deps.settings.scheduleLimitCount);
  const others = due.filter(({ jobId }) => jobId !== job.id);
  const cluster = await readCluster(deps);
  const { hosts, held } = cluster;
  const candidates = [...others, toCandidate(job)];
  const limits = await readLedger(deps, readers.limits, candidates);
  const fairShare = await readFairShare(deps, readers.jobs, { candidates, held });
  const terms = planTerms(deps, { now, limits, fairShare, cluster });
  const plan = planPlacements(candidates, hosts, { ...terms, explainedId: job.id });
  const heldBack = plan.heldBack.find(({ jobId }) => jobId === job.id);
  if (heldBack !== undefined) {
    return { ...NOTHING, reasons: [{ ...heldBack.obstacle, workerCount: 0 }] };
  }
  const placed = plan.placements.find(({ jobId }) => jobId === job.id);
  if (placed !== undefined) {
    const scores = scoresOn(hosts, needOf(job), deps.settings.placementPolicy);
    return { reasons: [nextTurnReason(placed)], scores, expectedStartAt: now };
  }
  const place = plan.unplaceable.findIndex(({ jobId }) => jobId === job.id);
  const places = new Map(plan.unplaceable.map(({ jobId }, index) => [jobId, index]));
  // Jobs of other tenants that come later now may come before it when it is their tenant's turn.
  const rivals = others.filter(({ jobId, tenantId }) => {
    const other = places.get(jobId);
    return other !== undefined && (other < place || tenantId !== job.tenantId);
  });
  const unplaceable = plan.unplaceable[place];
  const kept = unplaceable?.keptWorkerId ?? null;
  const madeRoom = unplaceable?.madeRoom ?? null;
  const left = besideOthers(hosts, candidates, {
    ...plan,
    ahead: plan.unplaceable.slice(0, place),
  });
  const promisedId = kept ?? madeRoom?.workerId;
  const possible =
    promisedId === undefined ? left : left.filter(({ workerId }) => workerId === promisedId);
  if (madeRoom !== null) {
    return {
      reasons: [...preemptedReasons(job), preemptingReason(madeRoom)],
      scores: [],
      expectedStartAt: await latestStart(deps, job, { hosts: possible, rivals: [], madeRoom }),
    };
  }
  return {
    reasons: [
      ...preemptedReasons(job),
      ...keptReasons(kept),
      ...(unplaceable?.reasons ?? []),
      ...(await poolReasons(deps, await readers.workers.listLive())),
    ],
    scores: [],
    expectedStartAt: await latestStart(deps, job, {
      hosts: possible,
      rivals: kept === null ? rivals : [],
      madeRoom,
    }),
  };
}

/** Waiting jobs ahead of one, of which is asked whether they want the same workers; with more nothing is predicted. */
const MAX_RIVAL_COUNT = 100;

const NOTHING: Verdict = { reasons: [], scores: [], expectedStartAt: null };

function lateReason(until: Date): ExplainReason {
  const message = `it was to start before ${until.toISOString()}, and ends unstarted`;
  return { code: "deadline", message, workerCount: 0 };
}

function dependencyReason(dependency: JudgedDependency): ExplainReason {
  return { code: "dependency", message: describeDependency(dependency), workerCount: 0 };
}

function delayReason({ runAt, attempt }: Job): ExplainReason {
  const until = runAt.toISOString();
  return attempt === 0
    ? { code: "not_before", message: `its spec says not before ${until}`, workerCount: 0 }
    : { code: "retry_delay", message: `the next attempt is due at ${until}`, workerCount: 0 };
}

function nextTurnReason({ workerId }: Placement): ExplainReason {
  const message = `worker ${workerId} has room, and is given to it in the scheduler's next turn`;
  return { code: "next_turn", message, workerCount: 1 };
}

function keptReasons(workerId: Unplaceable["keptWorkerId"]): ExplainReason[] {
  if (workerId === null) return [];
  const message = `it has waited long, so worker ${workerId} is kept for it until there is room`;
  return [{ code: "kept", message, workerCount: 1 }];
}

function preemptingReason({ workerId, victimIds, isAsked }: MadeRoom): ExplainReason {
  const count = victimIds.length;
  const jobs = count === 1 ? "1 preempted job is" : `${count} preempted jobs are`;
  const message = isAsked
    ? `it waits for room that ${count === 0 ? "others are" : jobs} giving up on worker ${workerId}`
    : `${count} preemptible ${count === 1 ? "job" : "jobs"} on worker ${workerId} will be asked to give up room for it in the scheduler's next turn`;
  return { code: "preempting", message, workerCount: 1 };
}

function preemptedReasons({ preemption, preemptionCount }: Job): ExplainReason[] {
  if (preemption === null) return [];
  const times = `${preemptionCount} of at most ${MAX_PREEMPTIONS_PER_JOB} times`;
  const message = `it gave up its place to job ${preemption.byJobId}, which has a higher priority (${times})`;
  return [{ code: "preempted", message, workerCount: 0 }];
}

/** `hosts` with what the plan gives to jobs, or keeps there for those `ahead`: nobody knows how long they take. */
function besideOthers(
  hosts: readonly Host[],
  candidates: readonly Candidate[],
  { placements, ahead }: Pick<Plan, "placements"> & { readonly ahead: readonly Unplaceable[] },
): readonly Host[] {
  const candidateOf = new Map(candidates.map((candidate) => [candidate.jobId, candidate]));
  const kept = ahead.map(({ jobId, keptWorkerId, madeRoom }) => {
    return { jobId, workerId: keptWorkerId ?? madeRoom?.workerId };
  });
  const given = Map.groupBy([...placements, ...kept], ({ workerId }) => workerId);
  return hosts.map((host) =>
    (given.get(host.workerId) ?? []).reduce((fuller, { jobId }) => {
      const candidate = candidateOf.get(jobId);
      return candidate === undefined ? fuller : hold(fuller, candidate.requirements);
    }, host),
  );
}

/**
 * When the first of the workers that are large enough has room, if attempts use all of their time. `null`: nobody knows,
 * as some may run for ever, or one of the `rivals`, which may come before it, may take the room.
 */
async function latestStart(
  { database, clock }: JudgeDeps,
  job: Job,
  {
    hosts,
    rivals,
    madeRoom,
  }: {
    readonly hosts: readonly Host[];
    readonly rivals: readonly Need[];
    readonly madeRoom: MadeRoom | null;
  },
): Promise<Date | null> {
  const now = clock.now();
  const need = needOf(job);
  const filters = [...KIND_FILTERS, ...SIZE_FILTERS, ...STATE_FILTERS];
  const possible = hosts.filter((host) => passes(filters, host, need));
  if (rivals.length > MAX_RIVAL_COUNT) return null;
  const mayTake = (rival: Need) => possible.some((host) => passes(filters, host, rival));
  if (rivals.some(mayTake)) return null;
  const held = await database.readers.jobs.listOfWorkers(possible.map(({ workerId }) => workerId));
  const times = possible.flatMap((host) => {
    const occupants = held
      .filter(({ lease }) => lease?.workerId === host.workerId)
      .map((other) => {
        const isVictim = madeRoom?.victimIds.includes(other.id) === true;
        const endAt = endsBy(other, { now, askedAt: endAskedAt(other) ?? (isVictim ? now : null) });
        return { requirements: other.policy.requirements, endsBy: endAt };
      });
    const at = roomAt(host, need.requirements, occupants, now);
    return at === null ? [] : [at.getTime()];
  });
  return times.length === 0 ? null : new Date(times.reduce((a, b) => Math.min(a, b)));
}

/** With the grace that its processes have after the time-out, or after they were asked to end. */
function endsBy(
  { state, startedAt, policy, deadline }: Job,
  { now, askedAt }: { readonly now: Date; readonly askedAt: Date | null },
): Date | null {
  const from = state === "running" && startedAt !== null ? startedAt : now;
  const leftMs =
    runTimeLeftMs({ timeouts: policy.timeouts, deadline }, from) ?? Number.POSITIVE_INFINITY;
  const endMs = Math.min(from.getTime() + leftMs, askedAt?.getTime() ?? Number.POSITIVE_INFINITY);
  return Number.isFinite(endMs) ? new Date(endMs + policy.timeouts.graceMs) : null;
}
