import {
  type Capacity,
  type HeldAttempt,
  type Host,
  type HostState,
  hold,
  type Job,
  type Readers,
  takesAttempts,
  type Worker,
  type WorkerId,
} from "@hodei/domain";
import { JOINED_PROVIDER } from "./joined.ts";
import type { Sessions } from "./sessions.ts";

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
export async function readCluster(deps: {
  readonly readers: Pick<Readers, "jobs" | "workers">;
  readonly sessions: Sessions;
}): Promise<Cluster> {
  const [workers, held] = await Promise.all([
    deps.readers.workers.listLive(),
    deps.readers.jobs.listHeld(),
  ]);
  const heldByWorker = Map.groupBy(held, ({ workerId }) => workerId);
  const hosts = workers.flatMap((worker) => {
    const capacity = deps.sessions.find(worker.id)?.capacity;
    return toHost(worker, capacity, heldByWorker.get(worker.id) ?? []);
  });
  return { hosts, held, workers };
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
    arch,
    labels: withPool(worker, labels),
    taints,
    gpuModel,
    capacity,
    free: capacity,
    before: null,
  };
  return [held.reduce((host, { requirements }) => hold(host, requirements), empty)];
}

function toHostState(worker: Worker): HostState {
  if (takesAttempts(worker)) return "ready";
  if (worker.state === "lost") return "lost";
  return worker.drainRequestedAt === null ? "disconnected" : "draining";
}

/** Labels that every worker has without saying so. */
function withPool(worker: Worker, labels: Readonly<Record<string, string>>) {
  return { ...labels, "hodei/pool": worker.pool, "hodei/provider": worker.provider };
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
