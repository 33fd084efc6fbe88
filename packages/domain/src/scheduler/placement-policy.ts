import type { PlacementPolicy } from "../job-spec.ts";
import type { Host, Need } from "./host.ts";
import { SCORERS, type ScorerName } from "./scorers.ts";

/** One scorer of a policy, with its weight. */
type Weight = readonly [ScorerName, number];

/** The job's own wishes count twice as much as what the policy looks at, so that they decide where they differ much. */
const PREFERENCES: Weight = ["preferences", 2];

/** What each policy weighs, in the order in which it is shown. */
export const PLACEMENT_POLICIES: Readonly<Record<PlacementPolicy, readonly Weight[]>> = {
  least_loaded: [PREFERENCES, ["least_loaded", 1]],
  bin_pack: [PREFERENCES, ["bin_pack", 1]],
  spread: [PREFERENCES, ["spread", 1]],
  /** Among equals the first worker wins, and workers are in the order of their age. */
  first_available: [PREFERENCES],
};

/** For a server that is not told otherwise. */
export const DEFAULT_PLACEMENT_POLICY: PlacementPolicy = "least_loaded";

/** One line of a score: `points` is what the scorer says times its weight. */
export interface ScorePart {
  readonly scorer: ScorerName;
  readonly weight: number;
  readonly points: number;
}

/** What `policy` sees in a feasible host, a line for each of its scorers. */
export function scoreParts(policy: PlacementPolicy, host: Host, need: Need): readonly ScorePart[] {
  return PLACEMENT_POLICIES[policy].map(([scorer, weight]) => ({
    scorer,
    weight,
    points: weight * SCORERS[scorer](host, need),
  }));
}

/** Sum of the points of `scoreParts`. */
export function scoreOf(policy: PlacementPolicy, host: Host, need: Need): number {
  let sum = 0;
  for (const [scorer, weight] of PLACEMENT_POLICIES[policy]) {
    sum += weight * SCORERS[scorer](host, need);
  }
  return sum;
}
