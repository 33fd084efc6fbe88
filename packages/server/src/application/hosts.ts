import {
  type Capacity,
  type HeldAttempt,
  type Host,
  type HostState,
  hold,
  type Job,
  NO_RECORD,
  type Readers,
  takesAttempts,
  type Worker,
  type WorkerId,
  withPoolLabels,
} from "@hodei/domain";
import type { Deps } from "./deps.ts";
import { JOINED_PROVIDER } from "./joined.ts";
import type { Sessions } from "./sessions.ts";
import type { Settings } from "./settings.ts";

/** What plans are made over. */
export interface Cluster {
  readonly hosts: readonly Host[];
  /** What is taken of them. */
  readonly held: readonly HeldAttempt[];
  /** All that are not terminated, connected or not. */
  readonly workers: readonly Worker[];
}

/**
 * Every worker that has been connected and is not gone, with what is free on each. Capacity is what the worker last said.
 * Those that take no attempts are there too: filters reject them, and say why.
 */
export async function readCluster(
  deps: ClusterDeps & {
    readonly database: { readonly readers: Pick<Readers, "jobs" | "workers"> };
  },
): Promise<Cluster> {
  const { database } = deps;
  const [workers, held] = await Promise.all([
    database.readers.workers.listLive(),
    database.readers.jobs.listHeld(),
  ]);
  return toCluster(deps, workers, held);
}

/** The same of what was read already. */
export function toCluster(
  deps: ClusterDeps,
  workers: readonly Worker[],
  held: readonly HeldAttempt[],
): Cluster {
  const { workerHistory, settings } = deps;
  const heldByWorker = Map.groupBy(held, ({ workerId }) => workerId);
  const turns = turnsOf(deps, workers);
  const hosts = workers.flatMap((worker) => {
    const capacity = deps.sessions.find(worker.id)?.capacity;
    return toHost(worker, capacity, heldByWorker.get(worker.id) ?? []).map((host) => ({
      ...host,
      poolPolicy: settings.poolPolicies.get(worker.pool) ?? null,
      turn: turns.get(worker.id) ?? 0,
      track: workerHistory.recordOf(worker),
    }));
  });
  return { hosts, held, workers };
}

export type ClusterDeps = Pick<Deps, "sessions" | "activity" | "workerHistory"> & {
  readonly settings: Pick<Settings, "poolPolicies">;
};

/**
 * Places of the workers by their last assignment, from 1; those of which none is known have no place. The leader knows its own to
 * the last; of those before it, and to other replicas, what the stored attempts say counts.
 */
function turnsOf(
  { activity, workerHistory }: ClusterDeps,
  workers: readonly Worker[],
): ReadonlyMap<WorkerId, number> {
  const order = new Map(activity.order.map((id, index) => [id, index]));
  const known = workers.flatMap(({ id }) => {
    const stored = workerHistory.lastAssignedAt(id)?.getTime() ?? 0;
    const atMs = Math.max(stored, activity.lastOf(id)?.getTime() ?? 0);
    return atMs === 0 ? [] : [{ id, atMs, index: order.get(id) ?? -1 }];
  });
  known.sort((a, b) => a.atMs - b.atMs || a.index - b.index);
  return new Map(known.map(({ id }, index) => [id, index + 1]));
}

/**
 * These workers, which the transaction holds, as `readCluster` has them. `heldJobs`: what they have, read after they were
 * locked.
 */
export function toHosts(
  workers: readonly Worker[],
  heldJobs: readonly Job[],
  sessions: Sessions,
): readonly Host[] {
  const held = Map.groupBy(heldJobs, ({ lease }) => lease?.workerId);
  return workers.flatMap((worker) => {
    const attempts = (held.get(worker.id) ?? []).map(({ policy }) => policy);
    return toHost(worker, sessions.find(worker.id)?.capacity, attempts);
  });
}

function toHost(
  worker: Worker,
  reported: Capacity | undefined,
  held: readonly Pick<HeldAttempt, "requirements">[],
): Host[] {
  if (worker.facts === null || worker.state === "terminated") return [];
  const { arch, labels, taints, gpuModel } = worker.facts;
  const capacity = reported ?? worker.facts.capacity;
  const empty: Host = {
    workerId: worker.id,
    state: toHostState(worker),
    // A machine that joined by itself is its tenant's; what a pool made is there for all.
    tenantId: worker.provider === JOINED_PROVIDER ? worker.tenantId : null,
    pool: worker.pool,
    poolPolicy: null,
    arch,
    labels: withPoolLabels(worker, labels),
    taints,
    gpuModel,
    capacity,
    free: capacity,
    turn: 0,
    track: NO_RECORD,
    before: null,
  };
  return [held.reduce((host, { requirements }) => hold(host, requirements), empty)];
}

function toHostState(worker: Worker): HostState {
  if (takesAttempts(worker)) return "ready";
  if (worker.state === "lost") return "lost";
  return worker.drainRequestedAt === null ? "disconnected" : "draining";
}

/** How many assigned and running jobs each worker has. */
export async function countHeld(
  readers: Pick<Readers, "jobs">,
): Promise<ReadonlyMap<WorkerId, number>> {
  const held = await readers.jobs.listHeld();
  return new Map(
    [...Map.groupBy(held, ({ workerId }) => workerId)].map(([id, list]) => [id, list.length]),
  );
}
