import {
  DEFAULT_PLACEMENT_POLICY,
  type PlacementPolicy,
  type RetentionRules,
  type TenantId,
} from "@hodei/domain";

/** Times and bounds of the control plane. All in milliseconds unless the name says otherwise. */
export interface Settings {
  /** How often a worker reports. */
  readonly heartbeatIntervalMs: number;
  /** A session that was silent for this long is closed. */
  readonly workerSilenceMs: number;
  /** How long a worker may be without a session before it is lost and its attempts go elsewhere. */
  readonly reconnectGraceMs: number;
  /** The same after its server died: longer than a worker's longest pause between two tries (60 s). */
  readonly orphanGraceMs: number;
  /** How long a new worker may take to open its first session. */
  readonly provisionTimeoutMs: number;
  /** How long a lost worker that a provider made may come back; then its machine is destroyed. */
  readonly lostRetentionMs: number;
  /** The same for a worker that came by itself, whose machine is not ours. */
  readonly joinedRetentionMs: number;
  /** How long a worker may take to acknowledge an assignment. */
  readonly acknowledgeTimeoutMs: number;
  /**
   * How long, beyond the job's grace, a worker may take to report the end of an attempt that was cancelled. Long enough
   * for a full spool of log, which goes before the result.
   */
  readonly cancelTimeoutMs: number;
  /** How long a job that has ended stays among those that live: what still comes about it, and who asks for it, is quick. */
  readonly finishedSettleMs: number;
  /** How long jobs are kept after their end, at least; whole days go at once. */
  readonly retention: RetentionRules;
  /** A replica that has not renewed its row for this long counts as dead. */
  readonly replicaTtlMs: number;
  /** Longest pause of a loop: what a lost wake-up costs at most. */
  readonly pollIntervalMs: number;
  /** Assigned and running jobs of one tenant; others wait. `null`: any number. */
  readonly tenantJobsMax: number | null;
  /** How much of the workers tenants are to have, against each other, when there is not enough for all. Others have 1. */
  readonly tenantWeights: ReadonlyMap<TenantId, number>;
  /** Jobs that one scheduling turn looks at, as `listDue` chooses them; the rest wait for the next turn. */
  readonly scheduleLimitCount: number;
  /** How the best of several feasible workers is found, for jobs that do not say. */
  readonly placementPolicy: PlacementPolicy;
  /** The same among the workers of single pools, by the names of the pools. */
  readonly poolPolicies: ReadonlyMap<string, PlacementPolicy>;
  /** How long a job is due before a worker is kept for it that has no room for it yet. */
  readonly reserveAfterMs: number;
}

export const DEFAULT_SETTINGS: Settings = {
  heartbeatIntervalMs: 5_000,
  workerSilenceMs: 10_000,
  reconnectGraceMs: 5_000,
  orphanGraceMs: 75_000,
  provisionTimeoutMs: 60_000,
  lostRetentionMs: 60_000,
  joinedRetentionMs: 86_400_000,
  acknowledgeTimeoutMs: 10_000,
  cancelTimeoutMs: 300_000,
  finishedSettleMs: 60_000,
  retention: {
    serverMs: 30 * 86_400_000,
    poolsMs: new Map(),
    tenantsMs: new Map(),
    maxMs: 366 * 86_400_000,
    tenantMaxMs: new Map(),
  },
  replicaTtlMs: 10_000,
  pollIntervalMs: 1_000,
  tenantJobsMax: null,
  tenantWeights: new Map(),
  scheduleLimitCount: 10_000,
  placementPolicy: DEFAULT_PLACEMENT_POLICY,
  poolPolicies: new Map(),
  reserveAfterMs: 30_000,
};
