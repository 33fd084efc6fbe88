import {
  type Capacity,
  type HeldAttempt,
  type Host,
  type Readers,
  type Stores,
  subtract,
  takesAttempts,
  type Worker,
  type WorkerId,
} from "@hodei/domain";
import type { Sessions } from "./sessions.ts";

/** Workers that take attempts, with what is free on each. Capacity is what the worker last said. */
export async function readHosts(deps: {
  readonly readers: Pick<Readers, "jobs" | "workers">;
  readonly sessions: Sessions;
}): Promise<readonly Host[]> {
  const [workers, held] = await Promise.all([
    deps.readers.workers.listLive(),
    deps.readers.jobs.listHeld(),
  ]);
  const heldByWorker = Map.groupBy(held, ({ workerId }) => workerId);
  return workers.filter(takesAttempts).flatMap((worker) => {
    const capacity = deps.sessions.find(worker.id)?.capacity;
    return toHost(worker, capacity, heldByWorker.get(worker.id) ?? []);
  });
}

/**
 * Those of the workers that still take attempts, as `readHosts` has them, held until the transaction ends: meanwhile
 * nobody else places on them, and none of them is lost.
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
  return locked.filter(takesAttempts).flatMap((worker) => {
    const attempts = (held.get(worker.id) ?? []).map(({ policy }) => policy);
    return toHost(worker, sessions.find(worker.id)?.capacity, attempts);
  });
}

function toHost(
  worker: Worker,
  reported: Capacity | undefined,
  held: readonly Pick<HeldAttempt, "requirements">[],
): Host[] {
  if (worker.facts === null) return [];
  const { arch, labels } = worker.facts;
  const capacity = reported ?? worker.facts.capacity;
  const free = held.reduce((left, { requirements }) => subtract(left, requirements), capacity);
  return [{ workerId: worker.id, arch, labels: withPool(worker, labels), capacity, free }];
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
