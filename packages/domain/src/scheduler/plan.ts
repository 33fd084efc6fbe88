import type { JobId, WorkerId } from "../ids.ts";
import { LASTING_FILTERS, PASSING_FILTERS } from "./filters.ts";
import { type Host, hold, type Need } from "./host.ts";
import { type PlacementPolicy, scoreOf } from "./placement-policy.ts";
import { byUrgency } from "./urgency.ts";
import { type WaitReason, waitReasons } from "./wait-reasons.ts";

/** A job that is due and waits for a worker. */
export interface Candidate extends Need {
  readonly jobId: JobId;
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
  /** Most frequent first. Of the workers as they are when all that is more urgent has been placed. */
  readonly reasons: readonly WaitReason[];
}

export interface Plan {
  readonly placements: readonly Placement[];
  readonly unplaceable: readonly Unplaceable[];
}

export interface PlanTerms {
  readonly policy: PlacementPolicy;
}

/**
 * Places candidates on hosts: most urgent first, each on its best feasible host, the first among equals; what is placed
 * takes its share at once, so no host is filled beyond what was free. Does not change its arguments.
 *
 * Takes time in proportion to candidates × hosts, with a small factor for candidates that ask for the same.
 */
export function planPlacements(
  candidates: readonly Candidate[],
  hosts: readonly Host[],
  terms: PlanTerms,
): Plan {
  const board = new Board(hosts, terms.policy);
  const placements: Placement[] = [];
  const unplaceable: Unplaceable[] = [];
  for (const candidate of candidates.toSorted(byUrgency)) {
    const { jobId, version } = candidate;
    const outcome = board.place(candidate);
    if ("reasons" in outcome) unplaceable.push({ jobId, reasons: outcome.reasons });
    else placements.push({ jobId, version, workerId: outcome.workerId });
  }
  return { placements, unplaceable };
}

/** What the filters and scorers said of every host for all candidates that ask for the same. */
interface Group {
  readonly need: Need;
  /** Indices of the hosts that pass what lasts. */
  readonly indices: readonly number[];
  /** Beside `indices`: score, or `Number.NEGATIVE_INFINITY` if the host is not feasible. */
  readonly scores: Float64Array;
  /** Beside `indices`: changes of the host that the score has seen. */
  readonly seen: Int32Array;
  /** Set once no host was feasible: hosts only get fuller, so none will be. */
  reasons: readonly WaitReason[] | undefined;
}

/** Hosts while a plan is made. Scores are kept per group and host until the host changes. */
class Board {
  readonly #hosts: Host[];
  readonly #policy: PlacementPolicy;
  readonly #changes: Int32Array;
  readonly #groups = new Map<string, Group>();

  constructor(hosts: readonly Host[], policy: PlacementPolicy) {
    this.#hosts = [...hosts];
    this.#policy = policy;
    this.#changes = new Int32Array(hosts.length);
  }

  /** Gives the job to its best feasible host, or says why there is none. */
  place(need: Need): Pick<Host, "workerId"> | Pick<Unplaceable, "reasons"> {
    const group = this.#groupOf(need);
    if (group.reasons !== undefined) return { reasons: group.reasons };
    const index = this.#bestIndex(group);
    const host = this.#hosts[index];
    if (host === undefined) {
      group.reasons = waitReasons(need, this.#hosts);
      return { reasons: group.reasons };
    }
    this.#hosts[index] = hold(host, need.requirements);
    this.#changes[index] = (this.#changes[index] ?? 0) + 1;
    return host;
  }

  #groupOf({ tenantId, requirements }: Need): Group {
    const key = JSON.stringify([tenantId, requirements]);
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const need = { tenantId, requirements };
    const indices = [...this.#hosts.keys()].filter((index) => {
      const host = this.#hosts[index];
      return host !== undefined && !LASTING_FILTERS.some(({ rejects }) => rejects(host, need));
    });
    const scores = new Float64Array(indices.length);
    const seen = new Int32Array(indices.length).fill(-1);
    const group: Group = { need, indices, scores, seen, reasons: undefined };
    this.#groups.set(key, group);
    return group;
  }

  /** Index of the feasible host with the highest score, the first among equals; -1 if none is feasible. */
  #bestIndex(group: Group): number {
    const { indices, scores, seen } = group;
    let best = -1;
    let bestScore = Number.NEGATIVE_INFINITY;
    for (let position = 0; position < indices.length; position += 1) {
      const index = indices[position] ?? -1;
      if (seen[position] !== this.#changes[index]) this.#rate(group, position, index);
      const score = scores[position] ?? Number.NEGATIVE_INFINITY;
      if (score <= bestScore) continue;
      best = index;
      bestScore = score;
    }
    return best;
  }

  #rate({ need, scores, seen }: Group, position: number, index: number): void {
    const host = this.#hosts[index];
    if (host === undefined) return;
    const feasible = !PASSING_FILTERS.some(({ rejects }) => rejects(host, need));
    scores[position] = feasible ? scoreOf(this.#policy, host, need) : Number.NEGATIVE_INFINITY;
    seen[position] = this.#changes[index] ?? 0;
  }
}
