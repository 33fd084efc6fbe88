import type { Worker } from "@hodei/domain";
import type { Deps } from "./deps.ts";
import { disconnectWorker } from "./disconnect-worker.ts";
import type { OpenSession } from "./sessions.ts";

/**
 * One turn, on every replica: makes what is stored of this replica's workers and its sessions agree again after one of
 * them could not follow the other. A session whose worker is stored as not connected by it ends, so that the worker
 * opens a new one, which settles everything. A worker stored as connected here without a session gets time to come back.
 */
export async function reconcileSessions(
  deps: Pick<
    Deps,
    "database" | "liveWorkers" | "sessions" | "clock" | "settings" | "replicaId" | "log"
  >,
): Promise<undefined> {
  // Taken before the workers are read: a session is stored before it is open.
  const open = deps.sessions.all();
  const workers = await deps.liveWorkers.list(deps.clock.now());
  const byId = new Map(workers.map((worker) => [worker.id, worker]));
  for (const session of open) {
    if (belongsTo(session, byId.get(session.workerId))) continue;
    deps.log.warn("session_superseded", { workerId: session.workerId });
    session.end();
  }
  for (const worker of workers) {
    const { id: workerId, connectedAt } = worker;
    if (connectedAt === null || !isWithoutSession(deps, worker, connectedAt)) continue;
    // Its end could not be stored, nor could it open another one meanwhile: its pause before it tries again may be long.
    const graceMs = deps.settings.orphanGraceMs;
    const message = "its session was lost";
    await disconnectWorker(deps, { workerId, connectedAt, message, graceMs });
  }
}

function belongsTo({ connectedAt }: OpenSession, worker: Worker | undefined): boolean {
  return worker?.connectBy === null && worker.connectedAt?.getTime() === connectedAt.getTime();
}

/** A session may be about to open, so one that has only just been stored does not count as missing. */
function isWithoutSession(
  { sessions, clock, settings, replicaId }: Parameters<typeof reconcileSessions>[0],
  worker: Worker,
  connectedAt: Date,
): boolean {
  if (worker.connectBy !== null || worker.replicaId !== replicaId) return false;
  if (clock.now().getTime() - connectedAt.getTime() < settings.workerSilenceMs) return false;
  return sessions.find(worker.id) === undefined;
}
