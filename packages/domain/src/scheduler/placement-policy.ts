import type { Host, Need } from "./host.ts";
import { SCORERS, type ScorerName } from "./scorers.ts";

/** Weight of each scorer in one policy; a scorer that is not named does not count. */
type Weights = Readonly<Partial<Record<ScorerName, number>>>;

/** How the best of several feasible workers is found. */
export const PLACEMENT_POLICIES = {
  least_loaded: { least_loaded: 1 },
  bin_pack: { bin_pack: 1 },
  spread: { spread: 1 },
  /** No scorer: the first worker, by age, that fits. */
  first_available: {},
} as const satisfies Readonly<Record<string, Weights>>;

export type PlacementPolicy = keyof typeof PLACEMENT_POLICIES;

/** For a server that is not told otherwise. */
export const DEFAULT_PLACEMENT_POLICY: PlacementPolicy = "least_loaded";

/** One line of a score: `points` is the scorer's value times its weight. */
export interface ScorePart {
  readonly scorer: ScorerName;
  readonly weight: number;
  readonly points: number;
}

/** What `policy` sees in a feasible host, a line for each of its scorers. */
export function scoreParts(policy: PlacementPolicy, host: Host, need: Need): readonly ScorePart[] {
  const weights: Weights = PLACEMENT_POLICIES[policy];
  return (Object.entries(weights) as [ScorerName, number][]).map(([scorer, weight]) => ({
    scorer,
    weight,
    points: weight * SCORERS[scorer](host, need),
  }));
}

/** Sum of `scoreParts`. */
export function scoreOf(policy: PlacementPolicy, host: Host, need: Need): number {
  return scoreParts(policy, host, need).reduce((sum, { points }) => sum + points, 0);
}
