import {
  applyWorkerEvent,
  type Departure,
  departures,
  type Pool,
  takesAttempts,
  type Worker,
  type WorkerEvent,
  type WorkerId,
} from "@hodei/domain";
import type { Deps } from "./deps.ts";

type TurnoverDeps = Pick<Deps, "database" | "clock" | "activity" | "log">;

interface PoolWorkers {
  readonly pool: Pool;
  /** Of the pool, none of them gone. */
  readonly workers: readonly Worker[];
}

/** Drains workers that their pools no longer want: too old, or idle for too long. */
export class Turnover {
  readonly #deps: TurnoverDeps;
  /** Workers that were without attempts at the last look, and did not get one since. */
  readonly #idleSince = new Map<WorkerId, Date>();

  constructor(deps: TurnoverDeps) {
    this.#deps = deps;
  }

  /** One look at all pools. `held`: how many attempts each worker has. */
  async run(pools: readonly PoolWorkers[], held: ReadonlyMap<WorkerId, number>): Promise<void> {
    this.#observe(
      pools.flatMap(({ workers }) => workers),
      held,
    );
    const now = this.#deps.clock.now();
    for (const { pool, workers } of pools) {
      const ready = workers.filter(takesAttempts).map(({ id, createdAt }) => {
        const idleSince = this.#idleSince.get(id) ?? null;
        return { id, createdAt, idleSince };
      });
      const drainingCount = workers.filter((worker) => worker.drainRequestedAt !== null).length;
      for (const departure of departures(pool, ready, { drainingCount, now })) {
        await this.#drain(pool, departure);
      }
    }
  }

  #observe(workers: readonly Worker[], held: ReadonlyMap<WorkerId, number>): void {
    const { activity, clock } = this.#deps;
    const now = clock.now();
    const ids = new Set(workers.map(({ id }) => id));
    for (const id of this.#idleSince.keys()) if (!ids.has(id)) this.#idleSince.delete(id);
    for (const worker of workers) {
      const since = this.#idleSince.get(worker.id);
      const assignedAt = activity.lastOf(worker.id);
      if (held.has(worker.id) || !takesAttempts(worker)) this.#idleSince.delete(worker.id);
      // It had an attempt between two looks.
      else if (since === undefined || (assignedAt && assignedAt > since)) {
        this.#idleSince.set(worker.id, now);
      }
    }
  }

  /** Unless it has got an attempt, or was asked to leave, in the meantime. */
  async #drain(pool: Pool, { id, reason }: Departure): Promise<void> {
    const at = this.#deps.clock.now();
    await this.#deps.database.transact(async ({ workers, jobs }) => {
      const worker = await workers.lock(id);
      if (!takesAttempts(worker)) return;
      const wasIdle = this.#idleSince.has(id);
      if (wasIdle && (await jobs.listOfWorkers([id])).length > 0) return;
      const event: WorkerEvent = {
        type: "drain_requested",
        at,
        by: `pool ${pool.name}: ${reason}`,
      };
      await workers.update(applyWorkerEvent(worker, event), [event]);
      this.#deps.log.info("worker_retired", { workerId: id, pool: pool.name, reason });
    });
  }
}
