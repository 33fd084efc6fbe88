import type { Host, Need } from "./host.ts";

/** How good `host`, which is feasible, is for a job: 0 to 1, higher is better. Pure. */
export type Scorer = (host: Host, need: Need) => number;

/** What a policy can weigh. Each looks at `host` as it is before it gets the job. */
export const SCORERS = {
  /** Share of its cores that the worker keeps free. */
  least_loaded: (host, { requirements }) => freeShare(host, requirements.cpuMillis),
  /** The opposite: the fullest worker that still fits, so that others stay empty and can leave. */
  bin_pack: (host, { requirements }) => 1 - freeShare(host, requirements.cpuMillis),
  /** Few attempts, however large they are. */
  spread: ({ heldCount }) => 1 / (1 + heldCount),
} as const satisfies Readonly<Record<string, Scorer>>;

export type ScorerName = keyof typeof SCORERS;

function freeShare({ free, capacity }: Host, cpuMillis: number): number {
  return (free.cpuMillis - cpuMillis) / Math.max(1, capacity.cpuMillis);
}
