import {
  applyWorkerEvent,
  bootFailures,
  type Candidate,
  createWorker,
  DEFAULT_TENANT_ID,
  loopCause,
  type Machine,
  type Pool,
  type PoolDemand,
  type Provider,
  planPlacements,
  provisionCount,
  takesAttempts,
  type Worker,
  type WorkerEvent,
  type WorkerId,
} from "@hodei/domain";
import type { Deps } from "./deps.ts";
import { readFairShare } from "./fair-share.ts";
import { countHeld } from "./hosts.ts";
import { readLedger } from "./limits.ts";
import { planTerms } from "./plan-terms.ts";
import { removeWorker } from "./remove-worker.ts";
import { Turnover } from "./turnover.ts";

/** Workers of a pool's past that are looked at: enough to see how often in a row they did not come up. */
export const NEWEST_COUNT = 20;
const MINUTE_MS = 60_000;

/** A pool with what makes its workers. */
export interface PoolMember {
  readonly pool: Pool;
  readonly provider: Provider;
  /** `https://host:port` at which workers of this pool reach a worker listener. */
  readonly serverUrl: () => string;
}

type ProvisionDeps = Pick<
  Deps,
  | "database"
  | "dueJobs"
  | "cluster"
  | "clock"
  | "ids"
  | "joinTokens"
  | "sessions"
  | "settings"
  | "pools"
  | "activity"
  | "workerHistory"
  | "logs"
  | "random"
  | "log"
>;

/** Makes pools as large as their jobs need, and providers agree with what is stored. One turn at a time. */
export class Provisioner {
  readonly #deps: ProvisionDeps;
  readonly #turnover: Turnover;
  /** Live workers of which this provisioner knows that their machine was made: it has seen it, or made it itself. */
  #made: ReadonlySet<WorkerId> = new Set();

  constructor(deps: ProvisionDeps) {
    this.#deps = deps;
    this.#turnover = new Turnover(deps);
  }

  /** One turn over all pools. Returns when a pool whose workers did not come up is to be tried again. */
  async run(): Promise<Date | undefined> {
    const { readers } = this.#deps.database;
    const pools: [PoolMember, readonly Worker[]][] = [];
    this.#made = await this.#stillLive(this.#made);
    for (const member of this.#deps.pools) pools.push([member, await this.#reconcile(member)]);
    // Jobs after workers: one that connects in between counts as booting, and its job as placeable.
    const unplaceable = await this.#unplaceable();
    const held = await countHeld(readers);
    await this.#turnover.run(
      pools.map(([{ pool }, workers]) => ({ pool, workers })),
      held,
    );
    const retries: number[] = [];
    for (const [member, workers] of pools) {
      const retryAt = await this.#grow(member, workers, { held, unplaceable });
      if (retryAt !== undefined) retries.push(retryAt.getTime());
    }
    return retries.length > 0 ? new Date(Math.min(...retries)) : undefined;
  }

  /** Jobs that are due and that no connected worker can take now. */
  async #unplaceable(): Promise<readonly Candidate[]> {
    const { database, dueJobs, clock } = this.#deps;
    const { readers } = database;
    const now = clock.now();
    const { candidates: due } = await dueJobs.list(now);
    if (due.length === 0) return [];
    const limits = await readLedger(this.#deps, readers.limits, due);
    const cluster = await this.#deps.cluster.read(now);
    const { held } = cluster;
    const fairShare = await readFairShare(this.#deps, readers.jobs, { candidates: due, held });
    const terms = planTerms(this.#deps, { now, limits, fairShare, cluster });
    const plan = planPlacements(due, cluster.hosts, terms);
    const ids = new Set(plan.unplaceable.map(({ jobId }) => jobId));
    // Of jobs of which a limit lets only some run, only so many are a reason to make a worker.
    return due.filter((job) => {
      if (!ids.has(job.jobId) || limits.obstacle(job) !== undefined) return false;
      limits.take(job);
      return true;
    });
  }

  /**
   * Machines without a live worker are destroyed, workers without a live machine removed. Returns the pool's workers. A
   * leader before this one may still be making a machine: its worker counts until it should have come up.
   */
  async #reconcile({ pool, provider }: PoolMember): Promise<readonly Worker[]> {
    const { readers } = this.#deps.database;
    const machines = new Map((await provider.list()).map((machine) => [machine.workerId, machine]));
    const live = (await readers.workers.listLive()).filter(
      (worker) => worker.pool === pool.name && worker.provider === provider.name,
    );
    this.#made = new Set([...this.#made, ...machines.keys()]);
    const counted = live.filter(
      (worker) => machines.get(worker.id)?.alive === true || this.#mayBeComing(worker),
    );
    for (const worker of live) if (!counted.includes(worker)) await this.#remove(worker);
    for (const machine of machines.values()) await this.#destroyIfGone(provider, machine);
    return counted;
  }

  #mayBeComing({ id, state, connectBy }: Worker): boolean {
    const now = this.#deps.clock.now();
    return state === "provisioning" && !this.#made.has(id) && connectBy !== null && connectBy > now;
  }

  /** Those of `ids` that are still live, so that the set does not grow for ever. */
  async #stillLive(ids: ReadonlySet<WorkerId>): Promise<ReadonlySet<WorkerId>> {
    if (ids.size === 0) return ids;
    const live = await this.#deps.database.readers.workers.listLive();
    return new Set(live.map(({ id }) => id).filter((id) => ids.has(id)));
  }

  async #remove({ id, version }: Worker): Promise<void> {
    const at = this.#deps.clock.now();
    await this.#deps.database.transact(async (stores) => {
      const worker = await stores.workers.lock(id);
      if (worker.version !== version) return;
      const event = { type: "terminated", at, message: "its machine is gone" } as const;
      await removeWorker(this.#deps, stores, worker, event);
    });
  }

  /** The machine of a lost worker stays for a while: it may only be slow, and ends its attempts when it comes back. */
  async #destroyIfGone(provider: Provider, { workerId, alive }: Machine): Promise<void> {
    const worker = await this.#deps.database.readers.workers.find(workerId);
    const keep = worker !== undefined && worker.state !== "terminated" && alive;
    if (keep) return;
    this.#deps.log.info("machine_destroyed", { workerId, provider: provider.name, alive });
    try {
      await provider.destroy(workerId);
    } catch (error) {
      // It is tried again in the next turn. What it leaves behind must not keep all pools from their workers.
      this.#deps.log.error("machine_not_destroyed", { workerId, error });
    }
  }

  /** Makes the workers that are wanted. Returns when that is to be tried again, if they do not come up. */
  async #grow(
    member: PoolMember,
    workers: readonly Worker[],
    situation: Situation,
  ): Promise<Date | undefined> {
    const { pool } = member;
    const { clock, database } = this.#deps;
    const now = clock.now();
    if (provisionCount(pool, demandOf(workers, situation, 0)) === 0) return undefined;
    const count = Math.max(NEWEST_COUNT, pool.maxStartsPerMinute);
    const newest = await database.readers.workers.listNewest(pool, count);
    const failures = bootFailures(newest);
    if (failures !== undefined && now < failures.retryAt) return failures.retryAt;
    const minuteAgo = now.getTime() - MINUTE_MS;
    const starts = newest.filter(({ createdAt }) => createdAt.getTime() > minuteAgo).length;
    const wanted = provisionCount(pool, demandOf(workers, situation, starts));
    for (let made = 0; made < wanted; made += 1) {
      if (!(await this.#provision(member))) return this.#retryAt(pool);
    }
    return undefined;
  }

  async #retryAt(pool: Pool): Promise<Date | undefined> {
    const newest = await this.#deps.database.readers.workers.listNewest(pool, NEWEST_COUNT);
    return bootFailures(newest)?.retryAt;
  }

  /** Makes one worker; false if the provider failed, which is stored and delays the pool's next try. */
  async #provision({ pool, provider, serverUrl }: PoolMember): Promise<boolean> {
    const { database, clock, ids, joinTokens, settings, log } = this.#deps;
    const workerId = ids.next() as WorkerId;
    const now = clock.now();
    const connectBy = new Date(now.getTime() + settings.provisionTimeoutMs);
    const { token, hash } = joinTokens.create();
    await database.transact(async (stores) => {
      const tenantId = DEFAULT_TENANT_ID;
      const facts = { id: workerId, tenantId, pool: pool.name, provider: provider.name, connectBy };
      await stores.workers.insert(createWorker(facts, now), loopCause("provision"));
      await stores.joinTokens.insert({ hash, workerId, expiresAt: connectBy });
    });
    try {
      const { name, template } = pool;
      await provider.provision({
        workerId,
        pool: name,
        serverUrl: serverUrl(),
        joinToken: token,
        template,
      });
      this.#made = new Set([...this.#made, workerId]);
      log.info("worker_provisioned", { workerId, pool: pool.name });
      return true;
    } catch (error) {
      log.error("provision_failed", { workerId, pool: pool.name, error });
      await this.#fail(workerId);
      return false;
    }
  }

  async #fail(workerId: WorkerId): Promise<void> {
    const at = this.#deps.clock.now();
    await this.#deps.database.transact(async ({ workers }) => {
      const event: WorkerEvent = { type: "terminated", at, message: "its provider failed" };
      await workers.update(applyWorkerEvent(await workers.lock(workerId), event), [event]);
    });
  }
}

/** What waits, and what workers hold. */
interface Situation {
  readonly held: ReadonlyMap<WorkerId, number>;
  readonly unplaceable: readonly Candidate[];
}

function demandOf(
  workers: readonly Worker[],
  { held, unplaceable }: Situation,
  recentStartCount: number,
): PoolDemand {
  return {
    liveCount: workers.length,
    bootingCount: workers.filter(({ connectedAt }) => connectedAt === null).length,
    idleCount: workers.filter((worker) => takesAttempts(worker) && !held.has(worker.id)).length,
    recentStartCount,
    unplaceable,
  };
}
