import type { JobId, WorkerId } from "../ids.ts";
import type { PlacementPolicy } from "../job-spec.ts";
import type { Limited, LimitLedger, LimitObstacle } from "../limits.ts";
import { Board } from "./board.ts";
import { FairOrder, type FairShare } from "./fair-order.ts";
import type { Host, Need } from "./host.ts";
import type { MadeRoom, PreemptionTerms } from "./preemptions.ts";
import { type PromisedPlacement, Promises } from "./promises.ts";
import { type WaitReason, waitReasons } from "./wait-reasons.ts";

/** A job that is due and waits for a worker. */
export interface Candidate extends Need, Limited {
  readonly version: number;
  readonly priority: number;
  readonly urgentSince: Date;
  /** Where others end so that it finds room; `null`: nowhere. */
  readonly claimedWorkerId: WorkerId | null;
}

export interface Placement {
  readonly jobId: JobId;
  readonly version: number;
  readonly workerId: WorkerId;
}

export interface Unplaceable {
  readonly jobId: JobId;
  /**
   * Most frequent first, of the workers as they are when all that comes before it has been placed; first of all that jobs of
   * other tenants do. Empty unless the terms ask for them: they cost more than placing does.
   */
  readonly reasons: readonly WaitReason[];
  /** The worker that takes nothing that comes later until there is room for this job; `null`: none. */
  readonly keptWorkerId: WorkerId | null;
  /** What is being given up for it, which nothing gets that comes later; `null`: nothing is. */
  readonly madeRoom: MadeRoom | null;
}

/** Jobs that are to be asked to end, so that another one finds room on their worker. */
export interface Preemption {
  readonly jobId: JobId;
  readonly version: number;
  readonly workerId: WorkerId;
  /** Never empty. */
  readonly victimIds: readonly JobId[];
}

/** A job that may not start, whatever workers are free. */
export interface HeldBack {
  readonly jobId: JobId;
  readonly obstacle: LimitObstacle;
}

export interface Plan {
  readonly placements: readonly Placement[];
  /** In the order of the plan. */
  readonly unplaceable: readonly Unplaceable[];
  readonly heldBack: readonly HeldBack[];
  readonly preemptions: readonly Preemption[];
}

export interface PlanTerms {
  /** The server's: of jobs that name none, but among the workers of a pool that has its own. */
  readonly policy: PlacementPolicy;
  readonly now: Date;
  /** How long a job is due before a host is kept for it; `null`: none ever is. */
  readonly reserveAfterMs: number | null;
  /** The job of which to tell why it is unplaceable; `null`: none. */
  readonly explainedId: JobId | null;
  /** What holds jobs back whatever hosts are free; takes note of what is placed. `null`: nothing is limited. */
  readonly limits: LimitLedger | null;
  /** How hosts are shared between tenants; `null`: whose jobs they are makes no difference. */
  readonly fairShare: FairShare | null;
  /** What may end, or is ending, so that others find room; `null`: nothing. */
  readonly preemption: PreemptionTerms | null;
}

/**
 * Places candidates on hosts: in the order of `FairOrder`, most urgent first within a tenant, each on its best feasible host,
 * the first among equals; what is placed takes its share at once, so no host is filled beyond what was free. What a limit holds back takes nothing. Changes no
 * argument but the limits.
 *
 * Smaller jobs go past a large one that finds no room, until it has been due for `reserveAfterMs`: then the host that is
 * nearest to having room for it gets nothing that comes later but what fits beside it. That host only becomes emptier, turn by
 * turn, so the job is placed when enough of what runs there has ended.
 *
 * A job that finds no room, and for which nothing but room is lacking, takes the place of others where those allow it and
 * their priority is lower by enough, as `Preemptions` says. What they give up is its own from then on: before all others it
 * gets the room that is there by now, so that it starts even if what ended is more urgent for its age.
 *
 * Takes time in proportion to the candidates, and for each different thing that they ask for, to the hosts.
 */
export function planPlacements(
  candidates: readonly Candidate[],
  hosts: readonly Host[],
  terms: PlanTerms,
): Plan {
  const board = new Board(hosts, terms.policy);
  const promises = new Promises(candidates, board, terms);
  const placements: Placement[] = promises.placed.map(toPlacement);
  const unplaceable: Unplaceable[] = [];
  const heldBack: HeldBack[] = [];
  const order = createOrder(candidates, hosts, { terms, placed: promises.placed });
  for (let candidate = order.next(); candidate !== undefined; candidate = order.next()) {
    const { jobId, version } = candidate;
    const obstacle = terms.limits?.obstacle(candidate);
    if (obstacle !== undefined) {
      heldBack.push({ jobId, obstacle });
      continue;
    }
    const host = board.place(candidate);
    if (host !== undefined) {
      placements.push({ jobId, version, workerId: host.workerId });
      terms.limits?.take(candidate);
      order.note(candidate, host);
      continue;
    }
    const reasons =
      jobId === terms.explainedId ? explain(candidate, { order, hosts: board.hosts }) : [];
    const { kept, madeRoom } = promises.keepFor(candidate);
    order.note(candidate, kept);
    unplaceable.push({ jobId, reasons, keptWorkerId: kept?.workerId ?? null, madeRoom });
  }
  const { preemptions } = promises;
  return { placements, unplaceable, heldBack, preemptions };
}

const toPlacement = ({
  candidate: { jobId, version },
  workerId,
}: PromisedPlacement): Placement => ({ jobId, version, workerId });

/** Of the candidates that are not placed yet; those that are count for their tenants. */
function createOrder(
  candidates: readonly Candidate[],
  hosts: readonly Host[],
  { terms, placed }: { readonly terms: PlanTerms; readonly placed: readonly PromisedPlacement[] },
): FairOrder {
  if (placed.length === 0) return new FairOrder(candidates, hosts, terms);
  const ids = new Set(placed.map(({ candidate }) => candidate.jobId));
  const rest = candidates.filter(({ jobId }) => !ids.has(jobId));
  const given = placed.map(({ candidate: { tenantId, requirements }, workerId }) => {
    return { tenantId, requirements, workerId, startedAt: null };
  });
  const fairShare = terms.fairShare && {
    ...terms.fairShare,
    held: [...terms.fairShare.held, ...given],
  };
  return new FairOrder(rest, hosts, { ...terms, fairShare });
}

function explain(
  candidate: Candidate,
  { order, hosts }: { readonly order: FairOrder; readonly hosts: readonly Host[] },
): readonly WaitReason[] {
  const unfair = order.reason(candidate);
  const reasons = waitReasons(candidate, hosts);
  return unfair === undefined ? reasons : [unfair, ...reasons];
}
