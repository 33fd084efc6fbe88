import type { JobId, WorkerId } from "../ids.ts";
import type { PlacementPolicy } from "../job-spec.ts";
import type { Limited, LimitLedger, LimitObstacle } from "../limits.ts";
import { Board } from "./board.ts";
import { FairOrder, type FairShare } from "./fair-order.ts";
import type { Host, Need } from "./host.ts";
import { dueSince } from "./urgency.ts";
import { type WaitReason, waitReasons } from "./wait-reasons.ts";

/**
 * Jobs that a plan keeps a host for, in the order of the plan; those behind them get theirs when one of the first is placed. So
 * most of a cluster goes on with smaller jobs, and the first that waits for room always has its host.
 */
export const MAX_RESERVATION_COUNT = 8;

/** A job that is due and waits for a worker. */
export interface Candidate extends Need, Limited {
  readonly version: number;
  readonly priority: number;
  readonly urgentSince: Date;
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
}

export interface PlanTerms {
  /** Of jobs that name none. */
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
 * Takes time in proportion to the candidates, and for each different thing that they ask for, to the hosts.
 */
export function planPlacements(
  candidates: readonly Candidate[],
  hosts: readonly Host[],
  terms: PlanTerms,
): Plan {
  const board = new Board(hosts, terms.policy);
  const placements: Placement[] = [];
  const unplaceable: Unplaceable[] = [];
  const heldBack: HeldBack[] = [];
  const order = new FairOrder(candidates, hosts, terms);
  let reservationCount = 0;
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
    const mayKeep = reservationCount < MAX_RESERVATION_COUNT && hasWaited(candidate, terms);
    const kept = mayKeep ? board.reserve(candidate) : undefined;
    if (kept !== undefined) reservationCount += 1;
    order.note(candidate, kept);
    unplaceable.push({ jobId, reasons, keptWorkerId: kept?.workerId ?? null });
  }
  return { placements, unplaceable, heldBack };
}

function explain(
  candidate: Candidate,
  { order, hosts }: { readonly order: FairOrder; readonly hosts: readonly Host[] },
): readonly WaitReason[] {
  const unfair = order.reason(candidate);
  const reasons = waitReasons(candidate, hosts);
  return unfair === undefined ? reasons : [unfair, ...reasons];
}

function hasWaited(candidate: Candidate, { now, reserveAfterMs }: PlanTerms): boolean {
  if (reserveAfterMs === null) return false;
  return now.getTime() - dueSince(candidate).getTime() >= reserveAfterMs;
}
