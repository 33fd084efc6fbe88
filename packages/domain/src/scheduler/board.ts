import type { TenantId, WorkerId } from "../ids.ts";
import type { PlacementPolicy, Requirements } from "../job-spec.ts";
import { Choice, findOwnPools, type OwnPools } from "./choice.ts";
import { KIND_FILTERS, passes, SIZE_FILTERS, STATE_FILTERS } from "./filters.ts";
import { type Host, hasRoom, hold, keepBack, type Need } from "./host.ts";
import { scoreOf } from "./placement-policy.ts";

/** Groups whose scores are kept; beyond, those of the one that was first seen are worked out anew when it comes again. */
const MAX_GROUP_COUNT = 256;

const INFEASIBLE = Number.NEGATIVE_INFINITY;

/** For jobs with a policy of their own. */
const NO_POOLS: OwnPools = new Map();

/** The scores of every host for all jobs that ask for the same. */
interface Group {
  readonly choice: Choice;
  /** Entries of the board's log that `choice` has seen. */
  seenCount: number;
}

/**
 * The hosts while one plan is made: they only get fuller. The scores of jobs that ask for the same are kept and follow the
 * changes, so that such a job costs what has changed since the last one, however many hosts there are.
 */
export class Board {
  readonly #hosts: Host[];
  readonly #policy: PlacementPolicy;
  readonly #pools: OwnPools;
  /** Of the host that was given an attempt last. */
  #lastTurn: number;
  /** Tenants that have hosts of their own. To the hosts, all others are the same. */
  readonly #owners: ReadonlySet<TenantId | null>;
  /** Index of the host of each change. */
  readonly #log: number[] = [];
  /** By what jobs ask of the kind and state of a host: for each host, whether it is such a one. */
  readonly #kinds = new Map<string, readonly boolean[]>();
  readonly #groups = new Map<string, Group>();
  /** Groups for which no host had room: none will. */
  readonly #blocked = new Set<string>();
  /** What jobs ask for which no host has, even without its attempts. */
  readonly #hopeless = new Set<string>();

  constructor(hosts: readonly Host[], policy: PlacementPolicy) {
    this.#hosts = hosts.map((host) => ({
      ...host,
      before: { placements: host.free, reservations: host.free },
    }));
    this.#policy = policy;
    this.#pools = findOwnPools(hosts);
    this.#lastTurn = hosts.reduce((last, { turn }) => Math.max(last, turn), 0);
    this.#owners = new Set(hosts.map(({ tenantId }) => tenantId));
  }

  /** As they are now, with what was free before. */
  get hosts(): readonly Host[] {
    return this.#hosts;
  }

  /** Gives the job to its best feasible host, the first among equals; `undefined`: there is none. */
  place({ tenantId, requirements, placement }: Need): Host | undefined {
    const need = { tenantId, requirements, placement };
    const key = JSON.stringify([this.#ownerOf(need), requirements, placement]);
    if (this.#blocked.has(key)) return undefined;
    const index = this.#groupOf(key, need).choice.index;
    const host = this.#hosts[index];
    if (host === undefined) {
      this.#blocked.add(key);
      this.#groups.delete(key);
      return undefined;
    }
    this.#change(index, this.#give(host, requirements));
    return host;
  }

  /**
   * Keeps the host that lacks least for the job, of those that would be feasible without their attempts; from then on it
   * has only what is left beside the job. `undefined`: none would be feasible.
   */
  reserve(need: Need): Host | undefined {
    const key = JSON.stringify([this.#ownerOf(need), need.requirements]);
    if (this.#hopeless.has(key)) return undefined;
    const isOfKind = this.#kindOf(need);
    let best = -1;
    let bestShare = INFEASIBLE;
    for (const [index, host] of this.#hosts.entries()) {
      if (!isOfKind[index] || !passes(SIZE_FILTERS, host, need)) continue;
      if (need.requirements.diskBytes > emptiedDiskBytes(host)) continue;
      const share = coveredShare(host, need.requirements);
      if (share <= bestShare) continue;
      best = index;
      bestShare = share;
    }
    const host = this.#hosts[best];
    if (host === undefined) {
      this.#hopeless.add(key);
      return undefined;
    }
    this.#change(best, { ...host, free: keepBack(host.free, need.requirements) });
    return host;
  }

  /** Gives the job this host, which is feasible for it. */
  placeOn(workerId: WorkerId, { requirements }: Need): void {
    this.#changeOf(workerId, (host) => this.#give(host, requirements));
  }

  /** Keeps this host for the job, as `reserve` does. */
  keep(workerId: WorkerId, { requirements }: Need): void {
    this.#changeOf(workerId, (host) => ({ ...host, free: keepBack(host.free, requirements) }));
  }

  #ownerOf({ tenantId }: Need): TenantId | null {
    return this.#owners.has(tenantId) ? tenantId : null;
  }

  /** The group with its scores as they are now. */
  #groupOf(key: string, need: Need): Group {
    const isOfKind = this.#kindOf(need);
    const known = this.#groups.get(key);
    if (known === undefined) return this.#createGroup(key, need, isOfKind);
    for (; known.seenCount < this.#log.length; known.seenCount += 1) {
      const index = this.#log[known.seenCount] ?? -1;
      if (isOfKind[index]) known.choice.update(index);
    }
    return known;
  }

  #createGroup(key: string, need: Need, isOfKind: readonly boolean[]): Group {
    const own = need.placement.policy;
    const choice = new Choice(this.#hosts.length, {
      policy: own ?? this.#policy,
      pools: own === null ? this.#pools : NO_POOLS,
      scoreAt: (index, policy) =>
        isOfKind[index] ? this.#scoreAt(index, need, policy) : INFEASIBLE,
    });
    const group: Group = { choice, seenCount: this.#log.length };
    const [oldest] = this.#groups.keys();
    if (this.#groups.size >= MAX_GROUP_COUNT && oldest !== undefined) this.#groups.delete(oldest);
    this.#groups.set(key, group);
    return group;
  }

  #kindOf(need: Need): readonly boolean[] {
    const { arch, constraints, tolerations, gpuModel } = need.requirements;
    const key = JSON.stringify([this.#ownerOf(need), arch, constraints, tolerations, gpuModel]);
    const known = this.#kinds.get(key);
    if (known !== undefined) return known;
    const filters = [...KIND_FILTERS, ...STATE_FILTERS];
    const kind = this.#hosts.map((host) => passes(filters, host, need));
    this.#kinds.set(key, kind);
    return kind;
  }

  #scoreAt(index: number, need: Need, policy: PlacementPolicy): number {
    const host = this.#hosts[index];
    if (host === undefined || !hasRoom(host.free, need.requirements)) return INFEASIBLE;
    return scoreOf(policy, host, need);
  }

  /** `host` with one more attempt, the last that was given to any. */
  #give(host: Host, requirements: Requirements): Host {
    this.#lastTurn += 1;
    return { ...hold(host, requirements), turn: this.#lastTurn };
  }

  #changeOf(workerId: WorkerId, change: (host: Host) => Host): void {
    const index = this.#hosts.findIndex((host) => host.workerId === workerId);
    const host = this.#hosts[index];
    if (host !== undefined) this.#change(index, change(host));
  }

  #change(index: number, host: Host): void {
    this.#hosts[index] = host;
    this.#log.push(index);
  }
}

/** Disk that is free when its attempts have ended, at most: what they were given may be in use, and is no capacity then. */
function emptiedDiskBytes({ capacity, free, before }: Host): number {
  return 2 * capacity.diskBytes - (before?.placements ?? free).diskBytes;
}

/** How much of what the job needs is free, by what is scarcest: 1 when there is room. */
function coveredShare({ free }: Host, requirements: Requirements): number {
  return Math.min(
    share(free.attemptCount, 1),
    share(free.cpuMillis, requirements.cpuMillis),
    share(free.memoryBytes, requirements.memoryBytes),
    share(free.diskBytes, requirements.diskBytes),
    share(free.gpuCount, requirements.gpuCount),
  );
}

const share = (free: number, needed: number): number =>
  needed === 0 ? 1 : Math.min(1, free / needed);
