import {
  type Host,
  type Need,
  type PlacementPolicy,
  rejection,
  type ScorePart,
  scoreOf,
  scoreParts,
  type WorkerId,
} from "@hodei/domain";

export interface WorkerScore {
  readonly workerId: WorkerId;
  readonly score: number;
  /** What the score is the sum of. */
  readonly parts: readonly ScorePart[];
}

/** Scores of the feasible hosts as they are now, best first, among equals in their order. */
export function scoresOn(
  hosts: readonly Host[],
  need: Need,
  serverPolicy: PlacementPolicy,
): readonly WorkerScore[] {
  const policy = need.placement.policy ?? serverPolicy;
  return hosts
    .filter((host) => rejection(host, need) === undefined)
    .map((host) => ({
      workerId: host.workerId,
      score: scoreOf(policy, host, need),
      parts: scoreParts(policy, host, need),
    }))
    .toSorted((a, b) => b.score - a.score);
}
