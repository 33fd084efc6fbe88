import {
  type Host,
  type Need,
  type PlacementPolicy,
  type PolicySource,
  policyFor,
  rejection,
  type ScorePart,
  scoreOf,
  scoreParts,
  type WorkerId,
} from "@hodei/domain";

export interface WorkerScore {
  readonly workerId: WorkerId;
  /** By which it is compared with the other workers of its pool; with all of them unless the pool has a policy of its own. */
  readonly policy: PlacementPolicy;
  readonly policySource: PolicySource;
  readonly score: number;
  /** What the score is the sum of. */
  readonly parts: readonly ScorePart[];
  /** Of the pool's best worker by the server's policy: by this its pool is compared with other workers. `null`: by `score`. */
  readonly poolScore: number | null;
}

/** Scores of the feasible hosts as they are now, in the order in which they would be taken, among equals in their order. */
export function scoresOn(
  hosts: readonly Host[],
  need: Need,
  serverPolicy: PlacementPolicy,
): readonly WorkerScore[] {
  const feasible = hosts.filter((host) => rejection(host, need) === undefined);
  // Workers of a pool with a policy of its own stand together, the others each by itself.
  const units = Map.groupBy(feasible.keys(), (index) => {
    const host = feasible[index];
    const isOfPool = host && policyFor(host, need, serverPolicy).source === "pool";
    return isOfPool ? host.pool : index;
  });
  return [...units.values()]
    .map((indices) => toUnit(indices, { feasible, need, serverPolicy }))
    .toSorted((a, b) => b.best - a.best || a.bestIndex - b.bestIndex)
    .flatMap(({ scores }) => scores);
}

/** What is compared by the server's policy, or by the job's: one worker, or a pool. */
interface Unit {
  readonly best: number;
  readonly bestIndex: number;
  readonly scores: readonly WorkerScore[];
}

function toUnit(
  indices: readonly number[],
  {
    feasible,
    need,
    serverPolicy,
  }: {
    readonly feasible: readonly Host[];
    readonly need: Need;
    readonly serverPolicy: PlacementPolicy;
  },
): Unit {
  const outer = need.placement.policy ?? serverPolicy;
  let best = Number.NEGATIVE_INFINITY;
  let bestIndex = -1;
  const scores = indices.flatMap((index) => {
    const host = feasible[index];
    if (host === undefined) return [];
    const outerScore = scoreOf(outer, host, need);
    if (outerScore > best) [best, bestIndex] = [outerScore, index];
    const { policy, source } = policyFor(host, need, serverPolicy);
    const score = scoreOf(policy, host, need);
    const parts = scoreParts(policy, host, need);
    return [{ workerId: host.workerId, policy, policySource: source, score, parts }];
  });
  return {
    best,
    bestIndex,
    scores: scores
      .map((score) => ({ ...score, poolScore: score.policySource === "pool" ? best : null }))
      .toSorted((a, b) => b.score - a.score),
  };
}
