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
  round_robin: [PREFERENCES, ["round_robin", 1]],
  /**
   * A worker that ends every attempt at once is the emptiest of all, so load alone would send it one job after another: its
   * faults weigh more than the whole of its room.
   */
  reliable: [
    PREFERENCES,
    ["success_history", 2],
    ["provider_health", 1],
    ["startup_time", 0.5],
    ["least_loaded", 1],
  ],
};

/** For a server that is not told otherwise. */
export const DEFAULT_PLACEMENT_POLICY: PlacementPolicy = "least_loaded";

/** Whose policy it is: that of the job, else of the worker's pool, else of the server. */
export type PolicySource = "job" | "pool" | "server";

/** The policy by which `host` is compared, for the job, with the other workers of its pool. */
export function policyFor(
  { poolPolicy }: Host,
  { placement }: Need,
  serverPolicy: PlacementPolicy,
): { readonly policy: PlacementPolicy; readonly source: PolicySource } {
  if (placement.policy !== null) return { policy: placement.policy, source: "job" };
  if (poolPolicy !== null) return { policy: poolPolicy, source: "pool" };
  return { policy: serverPolicy, source: "server" };
}

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
