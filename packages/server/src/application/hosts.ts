import {
  type Capacity,
  type HeldAttempt,
  type Host,
  type HostState,
  hold,
  type Readers,
  type Stores,
  takesAttempts,
  type Worker,
  type WorkerId,
} from "@hodei/domain";
import { JOINED_PROVIDER } from "./joined.ts";
import type { Sessions } from "./sessions.ts";

/**
 * Every worker that has been connected and is not gone, with what is free on each. Capacity is what the worker last said.
 * Those that take no attempts are there too: filters reject them, and say why.
 */
export async function readHosts(deps: {
  readonly readers: Pick<Readers, "jobs" | "workers">;
  readonly sessions: Sessions;
}): Promise<readonly Host[]> {
  const [workers, held] = await Promise.all([
    deps.readers.workers.listLive(),
    deps.readers.jobs.listHeld(),
  ]);
  const heldByWorker = Map.groupBy(held, ({ workerId }) => workerId);
  return workers.flatMap((worker) => {
    const capacity = deps.sessions.find(worker.id)?.capacity;
    return toHost(worker, capacity, heldByWorker.get(worker.id) ?? []);
  });
}

/**
 * These workers as `readHosts` has them, held until the transaction ends: meanwhile nobody else places on them, and none
 * of them is lost.
 */
export async function lockHosts(
  { workers, jobs }: Pick<Stores, "workers" | "jobs">,
  sessions: Sessions,
  workerIds: readonly WorkerId[],
): Promise<readonly Host[]> {
  const locked: Worker[] = [];
  // In the same order everywhere, so that two who place at once do not wait for each other.
  for (const id of [...new Set(workerIds)].toSorted()) locked.push(await workers.lock(id));
  const held = Map.groupBy(await jobs.listOfWorkers(workerIds), ({ lease }) => lease?.workerId);
  return locked.flatMap((worker) => {
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
  const { arch, labels } = worker.facts;
  const capacity = reported ?? worker.facts.capacity;
  const empty: Host = {
    workerId: worker.id,
    state: toHostState(worker),
    // A machine that joined by itself is its tenant's; what a pool made is there for all.
    tenantId: worker.provider === JOINED_PROVIDER ? worker.tenantId : null,
    arch,
    labels: withPool(worker, labels),
    capacity,
    free: capacity,
    heldCount: 0,
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
