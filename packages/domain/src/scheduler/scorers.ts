import { holds } from "./constraints.ts";
import type { Host, Need } from "./host.ts";
import { providerShare, startScore, successShare } from "./track-record.ts";

/** How good `host`, which is feasible, is for a job: at most 1, higher is better. Pure. */
export type Scorer = (host: Host, need: Need) => number;

/** What a policy can weigh. Each looks at `host` as it is before it gets the job. */
export const SCORERS = {
  /** What the job's preferences say, their weights taken as shares: -1 to 1, and 0 without any. */
  preferences: ({ labels }, { placement: { preferences } }) => {
    let sum = 0;
    let total = 0;
    for (const { constraint, weight } of preferences) {
      total += Math.abs(weight);
      if (holds(constraint, labels)) sum += weight;
    }
    return total === 0 ? 0 : sum / total;
  },
  /** Share that stays free of what the worker has least of: 0 to 1. */
  least_loaded: freeShare,
  /** The opposite: the fullest worker that still fits, so that others stay empty and can leave. */
  bin_pack: (host, need) => 1 - freeShare(host, need),
  /** Few attempts, however large they are: 1 for none, 1/2 for one, 1/3 for two. */
  spread: ({ capacity, free }) => 1 / (1 + capacity.attemptCount - free.attemptCount),
  /** Longest without a new attempt: 1 for a worker that had none yet, then 1/2, 1/3 and so on in the order of their last. */
  round_robin: ({ turn }) => 1 / (1 + turn),
  /** Attempts that did not end by the worker's fault: 0 to 1. */
  success_history: ({ track }) => successShare(track),
  /** Workers of its pool that came up and stayed: 0 to 1. */
  provider_health: ({ track }) => providerShare(track),
  /** How soon attempts start on it once they are assigned: 0 to 1. */
  startup_time: ({ track }) => startScore(track),
} as const satisfies Readonly<Record<string, Scorer>>;

export type ScorerName = keyof typeof SCORERS;

/** Disk does not count: what is free there depends on others, and is no share of a fixed whole. */
function freeShare({ free, capacity }: Host, { requirements }: Need): number {
  return Math.min(
    (free.cpuMillis - requirements.cpuMillis) / Math.max(1, capacity.cpuMillis),
    (free.memoryBytes - requirements.memoryBytes) / Math.max(1, capacity.memoryBytes),
    capacity.gpuCount === 0 ? 1 : (free.gpuCount - requirements.gpuCount) / capacity.gpuCount,
  );
}
