import {
  applyWorkerEvent,
  type Candidate,
  createWorker,
  DEFAULT_PLACEMENT_POLICY,
  DEFAULT_TENANT_ID,
  loopCause,
  type Machine,
  type Pool,
  type PoolDemand,
  type Provider,
  planPlacements,
  provisionCount,
  type Worker,
  type WorkerEvent,
  type WorkerId,
} from "@hodei/domain";
import type { Deps } from "./deps.ts";
import { readHosts } from "./hosts.ts";
import { removeWorker } from "./remove-worker.ts";

/** First and longest pause after a failed provision; doubles with each failure in a row. */
const BACKOFF_MIN_MS = 1_000;
const BACKOFF_MAX_MS = 60_000;

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
  | "clock"
  | "ids"
  | "joinTokens"
  | "sessions"
  | "settings"
  | "pools"
  | "logs"
  | "random"
  | "log"
>;

/** Makes pools as large as their jobs need, and providers agree with what is stored. One turn at a time. */
export class Provisioner {
  readonly #deps: ProvisionDeps;
  readonly #backoff = new Map<string, { readonly failures: number; readonly until: Date }>();
  /** Live workers of which this provisioner knows that their machine was made: it has seen it, or made it itself. */
  #made: ReadonlySet<WorkerId> = new Set();

  constructor(deps: ProvisionDeps) {
    this.#deps = deps;
  }

  /** One turn over all pools. Returns when a pool that failed is to be tried again. */
  async run(): Promise<Date | undefined> {
    const pools: [PoolMember, readonly Worker[]][] = [];
    this.#made = await this.#stillLive(this.#made);
    for (const member of this.#deps.pools) pools.push([member, await this.#reconcile(member)]);
    // Jobs after workers: one that connects in between counts as booting, and its job as placeable.
    const unplaceable = await this.#unplaceable();
    for (const [member, workers] of pools) {
      await this.#grow(member, demandOf(workers, unplaceable));
    }
    const retries = [...this.#backoff.values()].map(({ until }) => until.getTime());
    return retries.length > 0 ? new Date(Math.min(...retries)) : undefined;
  }

  /** Jobs that are due and that no connected worker can take now. */
  async #unplaceable(): Promise<readonly Candidate[]> {
    const { database, clock, settings, sessions } = this.#deps;
    const { readers } = database;
    const due = await readers.jobs.listDue(clock.now(), settings.scheduleLimitCount);
    if (due.length === 0) return [];
    const terms = { policy: DEFAULT_PLACEMENT_POLICY };
    const plan = planPlacements(due, await readHosts({ readers, sessions }), terms);
    const ids = new Set(plan.unplaceable.map(({ jobId }) => jobId));
    return due.filter(({ jobId }) => ids.has(jobId));
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
    await provider.destroy(workerId);
  }

  async #grow(member: PoolMember, demand: PoolDemand): Promise<void> {
    const { name } = member.pool;
    const backoff = this.#backoff.get(name);
    if (backoff !== undefined && this.#deps.clock.now() < backoff.until) return;
    const count = provisionCount(member.pool, demand);
    for (let made = 0; made < count; made += 1) {
      if (!(await this.#provision(member, backoff?.failures ?? 0))) return;
    }
    this.#backoff.delete(name);
  }

  /** Makes one worker; false if the provider failed, which is stored and delays the pool's next try. */
  async #provision({ pool, provider, serverUrl }: PoolMember, failures: number): Promise<boolean> {
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
      await this.#fail(workerId, pool.name, failures + 1);
      return false;
    }
  }

  async #fail(workerId: WorkerId, pool: string, failures: number): Promise<void> {
    const at = this.#deps.clock.now();
    const delayMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** (failures - 1));
    this.#backoff.set(pool, { failures, until: new Date(at.getTime() + delayMs) });
    await this.#deps.database.transact(async ({ workers }) => {
      const event: WorkerEvent = { type: "terminated", at, message: "its provider failed" };
      await workers.update(applyWorkerEvent(await workers.lock(workerId), event), [event]);
    });
  }
}

function demandOf(workers: readonly Worker[], unplaceable: readonly Candidate[]): PoolDemand {
  const booting = workers.filter(({ connectedAt }) => connectedAt === null);
  return { liveCount: workers.length, bootingCount: booting.length, unplaceable };
}
