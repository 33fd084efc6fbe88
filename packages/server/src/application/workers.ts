import {
  applyWorkerEvent,
  type Capacity,
  createWorker,
  type Page,
  type PageRequest,
  requestCause,
  type Worker,
  type WorkerEvent,
  type WorkerId,
  type WorkerStatus,
  workerStatus,
} from "@hodei/domain";
import type { Deps } from "./deps.ts";
import { countHeld } from "./hosts.ts";
import { JOINED_PROVIDER } from "./joined.ts";
import { type Caller, ownedBy, type Principal } from "./principal.ts";
import type { ReportedMetrics } from "./sessions.ts";

/** How long a join token is good for when the caller does not say. */
export const DEFAULT_JOIN_TOKEN_TTL_MS = 3_600_000;

export interface WorkerView {
  readonly worker: Worker;
  /** Assigned and running attempts. */
  readonly runningAttempts: number;
  /** As last said, to this replica if the session is here; `null` before the first session. */
  readonly capacity: Capacity | null;
  /** `null` too if the session is at another replica. */
  readonly metrics: ReportedMetrics | null;
}

type ViewDeps = Pick<Deps, "database" | "sessions">;

/** Workers of the caller's tenant with one of `statuses` (none: any), newest first. A page may be short before the last. */
export async function listWorkers(
  deps: ViewDeps,
  principal: Principal,
  statuses: readonly WorkerStatus[],
  page: PageRequest,
): Promise<Page<WorkerView>> {
  const { readers } = deps.database;
  const states = [...new Set(statuses.map((status) => (status === "busy" ? "ready" : status)))];
  const filter = { tenantId: principal.tenantId, states };
  const { items, nextToken } = await readers.workers.list(filter, page);
  const held = await countHeld(readers);
  const views = items.map((worker) => toView(deps, worker, held));
  const isWanted = ({ worker, runningAttempts }: WorkerView) =>
    statuses.length === 0 || statuses.includes(workerStatus(worker, runningAttempts));
  return { items: views.filter(isWanted), nextToken };
}

/** @throws PlatformError `not_found` */
export async function getWorker(
  deps: ViewDeps,
  principal: Principal,
  id: WorkerId,
): Promise<WorkerView> {
  const { readers } = deps.database;
  const worker = ownedBy(principal, "worker", await readers.workers.find(id), id);
  return toView(deps, worker, await countHeld(readers));
}

function toView(
  { sessions }: ViewDeps,
  worker: Worker,
  held: ReadonlyMap<WorkerId, number>,
): WorkerView {
  const session = sessions.find(worker.id);
  return {
    worker,
    runningAttempts: held.get(worker.id) ?? 0,
    capacity: session?.capacity ?? worker.facts?.capacity ?? null,
    metrics: session?.metrics ?? null,
  };
}

/**
 * Gives the worker nothing new; it leaves when its attempts have ended. One that is draining or gone comes back unchanged.
 * @throws PlatformError `not_found`
 */
export async function drainWorker(
  deps: Pick<Deps, "database" | "clock" | "sessions">,
  caller: Caller,
  id: WorkerId,
): Promise<WorkerView> {
  await getWorker(deps, caller, id);
  await deps.database.transact(async ({ workers }) => {
    const worker = await workers.lock(id);
    if (worker.drainRequestedAt !== null || worker.state === "terminated") return;
    const at = deps.clock.now();
    const causedBy = requestCause(caller.requestId);
    // A worker that has no session yet has nothing to finish.
    const event: WorkerEvent =
      worker.connectedAt === null
        ? {
            type: "terminated",
            at,
            message: `drained by ${caller.name} before it connected`,
            causedBy,
          }
        : { type: "drain_requested", at, by: caller.name, causedBy };
    await workers.update(applyWorkerEvent(worker, event), [event]);
  });
  return getWorker(deps, caller, id);
}

/** A token with which one machine may register as one worker, once. Only its hash is stored. */
export async function createJoinToken(
  deps: Pick<Deps, "database" | "clock" | "ids" | "joinTokens">,
  caller: Caller,
  { pool, ttlMs }: { readonly pool: string; readonly ttlMs: number },
): Promise<{ readonly token: string; readonly expiresAt: Date }> {
  const now = deps.clock.now();
  const expiresAt = new Date(now.getTime() + ttlMs);
  const id = deps.ids.next() as WorkerId;
  const { token, hash } = deps.joinTokens.create();
  const { tenantId } = caller;
  await deps.database.transact(async ({ workers, joinTokens }) => {
    const facts = { id, tenantId, pool, provider: JOINED_PROVIDER, connectBy: expiresAt };
    await workers.insert(createWorker(facts, now), requestCause(caller.requestId));
    await joinTokens.insert({ hash, workerId: id, expiresAt });
  });
  return { token, expiresAt };
}
