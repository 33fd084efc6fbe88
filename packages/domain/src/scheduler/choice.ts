import type { PlacementPolicy } from "../job-spec.ts";
import { BestOf } from "./best-of.ts";
import type { Host } from "./host.ts";

/** Of the host at `index` by `policy`; negative infinity if it is not feasible. */
export type ScoreAt = (index: number, policy: PlacementPolicy) => number;

/** Hosts of a pool that has a policy of its own. */
interface OwnPool {
  readonly policy: PlacementPolicy;
  /** Ascending indices of its hosts. */
  readonly members: readonly number[];
  /** Where in `members` a host is. */
  readonly placeOf: ReadonlyMap<number, number>;
}

/** For each host the pool whose policy chooses among its workers; without an entry none does. */
export type OwnPools = ReadonlyMap<number, OwnPool>;

export function findOwnPools(hosts: readonly Pick<Host, "pool" | "poolPolicy">[]): OwnPools {
  const members = Map.groupBy(hosts.keys(), (index) => hosts[index]?.pool);
  const pools = new Map<number, OwnPool>();
  for (const indices of members.values()) {
    const policy = hosts[indices[0] ?? -1]?.poolPolicy ?? null;
    if (policy === null) continue;
    const placeOf = new Map(indices.map((index, place) => [index, place]));
    const pool = { policy, members: indices, placeOf };
    for (const index of indices) pools.set(index, pool);
  }
  return pools;
}

/**
 * Which host jobs that ask for the same get next, kept while hosts change: the best of all by `policy`; if that one is of a
 * pool with a policy of its own, the best of this pool by the pool's. The first among equals.
 */
export class Choice {
  readonly #scoreAt: ScoreAt;
  readonly #policy: PlacementPolicy;
  readonly #pools: OwnPools;
  readonly #best: BestOf;
  /** Of the pools that were asked. */
  readonly #bestOfPool = new Map<OwnPool, BestOf>();

  constructor(
    hostCount: number,
    {
      policy,
      pools,
      scoreAt,
    }: {
      readonly policy: PlacementPolicy;
      readonly pools: OwnPools;
      readonly scoreAt: ScoreAt;
    },
  ) {
    this.#scoreAt = scoreAt;
    this.#policy = policy;
    this.#pools = pools;
    this.#best = new BestOf(hostCount, (index) => scoreAt(index, policy));
  }

  /** Takes note that the host at `index` has changed. */
  update(index: number): void {
    this.#best.set(index, this.#scoreAt(index, this.#policy));
    const pool = this.#pools.get(index);
    if (pool === undefined) return;
    const place = pool.placeOf.get(index) ?? 0;
    this.#bestOfPool.get(pool)?.set(place, this.#scoreAt(index, pool.policy));
  }

  /** Where the host is; -1 if none is feasible. */
  get index(): number {
    const first = this.#best.index;
    const pool = this.#pools.get(first);
    if (pool === undefined) return first;
    return pool.members[this.#bestOf(pool).index] ?? -1;
  }

  #bestOf(pool: OwnPool): BestOf {
    const known = this.#bestOfPool.get(pool);
    if (known !== undefined) return known;
    const { policy, members } = pool;
    const scoreAt = (place: number) => this.#scoreAt(members[place] ?? -1, policy);
    const best = new BestOf(members.length, scoreAt);
    this.#bestOfPool.set(pool, best);
    return best;
  }
}
