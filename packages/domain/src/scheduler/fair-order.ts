import type { TenantId } from "../ids.ts";
import type { Requirements } from "../job-spec.ts";
import { BestOf } from "./best-of.ts";
import type { HeldShare, Host } from "./host.ts";
import type { Candidate } from "./plan.ts";
import { byUrgency, dueSince } from "./urgency.ts";
import type { WaitReason } from "./wait-reasons.ts";

/** Of tenants that are given none. */
const DEFAULT_TENANT_WEIGHT = 1;

/**
 * Waiting time that is worth the whole capacity: a tenant that has jobs waiting and was given nothing for so long goes
 * before one that holds nothing, even if it holds everything itself. So a tenant waits for a day at most while others are
 * served that came later, and one of a lower weight for as much longer as its weight is lower.
 *
 * Long against the time between two starts of a tenant that gets its share, so that it does not move shares.
 */
export const FAIR_AGING_MS = 86_400_000;

/** Until when a tenant had something. */
export interface TenantEnd {
  readonly tenantId: TenantId;
  readonly at: Date;
}

/** What tenants hold, and how much of the capacity each is to have. */
export interface FairShare {
  /** Above 0. Only their ratios count; a tenant that is not there has 1. */
  readonly weights: ReadonlyMap<TenantId, number>;
  /** Every attempt that is out. */
  readonly held: readonly HeldShare[];
  /** Of attempts that have ended lately, so that tenants take turns where none holds anything between two jobs. */
  readonly ends: readonly TenantEnd[];
}

/**
 * Of what shares are made. Not of the disk: what is free there depends on others, and is no share of a fixed whole. Places
 * for attempts count, so that jobs that ask for nothing else have a share too.
 */
const RESOURCES = ["cpuMillis", "memoryBytes", "gpuCount", "attemptCount"] as const;
type Amounts = Record<(typeof RESOURCES)[number], number>;

const RESOURCE_NAMES: Readonly<Record<keyof Amounts, string>> = {
  cpuMillis: "cores",
  memoryBytes: "memory",
  gpuCount: "GPUs",
  attemptCount: "attempts",
};

/** A tenant's candidates, and what it has. */
interface Queue {
  /** Most urgent first. */
  readonly candidates: readonly Candidate[];
  nextIndex: number;
  readonly weight: number;
  readonly amounts: Amounts;
  /** Instant of the latest start of what it holds, or of the latest end of what it held. */
  lastServedMs: number;
  /** The least urgent candidate so far that asked for a host; `undefined`: none has. */
  lastAsked: Candidate | undefined;
}

/**
 * The order in which a plan serves its candidates, which depends on what becomes of them. The next one is the most urgent of
 * the tenant that has the lowest dominant share for its weight: the largest of its shares of cores, memory, GPUs and
 * attempts of all hosts, with what the plan has given it so far. Waiting lowers it, as `FAIR_AGING_MS` says.
 *
 * Only hosts that take every tenant's jobs count: nobody competes for the others. For one tenant, or without a `FairShare`,
 * it is the order of urgency. It is the same in whatever order candidates and hosts come.
 * Source: "Dominant Resource Fairness", Ghodsi et al., NSDI 2011.
 */
export class FairOrder {
  readonly #queues: readonly Queue[];
  readonly #totals: Amounts = noAmounts();
  readonly #nowMs: number;
  readonly #weightMax: number;
  /** Of the queues, the higher the sooner; `null`: there is one at most. */
  readonly #ranks: BestOf | null;
  /** Index of the queue whose candidate is being served; its rank is out of date. */
  #served = -1;

  constructor(
    candidates: readonly Candidate[],
    hosts: readonly Host[],
    { fairShare, now }: { readonly fairShare: FairShare | null; readonly now: Date },
  ) {
    const ordered = candidates.toSorted(byUrgency);
    this.#nowMs = now.getTime();
    this.#queues =
      fairShare === null
        ? [createQueue(ordered, undefined)]
        : [...Map.groupBy(ordered, ({ tenantId }) => tenantId)].map(([tenantId, own]) =>
            createQueue(own, fairShare.weights.get(tenantId)),
          );
    this.#weightMax = Math.max(...this.#queues.map(({ weight }) => weight));
    const isShared = fairShare !== null && this.#queues.length > 1;
    if (isShared) this.#count(fairShare, hosts);
    this.#ranks = isShared ? new BestOf(this.#queues.length, (index) => this.#rankAt(index)) : null;
  }

  /** The candidate to serve next, each once; `undefined`: there are no more. */
  next(): Candidate | undefined {
    if (this.#ranks !== null && this.#served >= 0) {
      this.#ranks.set(this.#served, this.#rankAt(this.#served));
    }
    this.#served = this.#ranks === null ? 0 : this.#ranks.index;
    const queue = this.#queues[this.#served];
    if (queue === undefined) return undefined;
    const candidate = queue.candidates[queue.nextIndex];
    queue.nextIndex += 1;
    return candidate;
  }

  /** The candidate that `next` gave last asked for a host, and got `host`, or has it kept; `undefined`: neither. */
  note(candidate: Candidate, host: Host | undefined): void {
    const queue = this.#queues[this.#served];
    if (queue === undefined) return;
    queue.lastAsked = candidate;
    if (host?.tenantId !== null) return;
    add(queue.amounts, candidate.requirements);
    queue.lastServedMs = this.#nowMs;
  }

  /** Says it when less urgent jobs of other tenants were served before the candidate that `next` gave last. */
  reason(candidate: Candidate): WaitReason | undefined {
    const own = this.#queues[this.#served];
    const isOvertaken = this.#queues.some(
      ({ lastAsked }) =>
        lastAsked !== undefined &&
        lastAsked.tenantId !== candidate.tenantId &&
        byUrgency(candidate, lastAsked) < 0,
    );
    if (own === undefined || this.#ranks === null || !isOvertaken) return undefined;
    const { share, resource } = this.#dominant(own);
    const held = `${Number(share.toFixed(2))} of all ${RESOURCE_NAMES[resource]}`;
    const message = `tenant at ${held} with weight ${own.weight}, and tenants with less for their weight go first`;
    return { code: "fair_share", message, workerCount: 0 };
  }

  #count({ held, ends }: FairShare, hosts: readonly Host[]): void {
    const shared = hosts.filter(({ tenantId }) => tenantId === null);
    const ids = new Set(shared.map(({ workerId }) => workerId));
    const queues = new Map(this.#queues.map((queue) => [queue.candidates[0]?.tenantId, queue]));
    for (const { capacity } of shared) {
      for (const resource of RESOURCES) this.#totals[resource] += capacity[resource];
    }
    for (const { tenantId, workerId, requirements, startedAt } of held) {
      const queue = queues.get(tenantId);
      if (queue === undefined || !ids.has(workerId)) continue;
      add(queue.amounts, requirements);
      queue.lastServedMs = Math.max(queue.lastServedMs, startedAt?.getTime() ?? this.#nowMs);
    }
    for (const { tenantId, at } of ends) {
      const queue = queues.get(tenantId);
      if (queue !== undefined) queue.lastServedMs = Math.max(queue.lastServedMs, at.getTime());
    }
  }

  /** Higher goes first; negative infinity when the queue is empty. */
  #rankAt(index: number): number {
    const queue = this.#queues[index];
    const head = queue?.candidates[queue.nextIndex];
    if (queue === undefined || head === undefined) return Number.NEGATIVE_INFINITY;
    const waitsSinceMs = Math.max(queue.lastServedMs, dueSince(head).getTime());
    // Clocks differ: what starts in the future has not waited.
    const waitedMs = Math.max(0, this.#nowMs - waitsSinceMs);
    const forWeight = this.#dominant(queue).share * (this.#weightMax / queue.weight);
    return waitedMs / FAIR_AGING_MS - forWeight;
  }

  #dominant({ amounts }: Queue): { readonly share: number; readonly resource: keyof Amounts } {
    let share = 0;
    let resource: keyof Amounts = "cpuMillis";
    for (const other of RESOURCES) {
      const otherShare = this.#totals[other] === 0 ? 0 : amounts[other] / this.#totals[other];
      if (otherShare <= share) continue;
      share = otherShare;
      resource = other;
    }
    return { share, resource };
  }
}

function createQueue(candidates: readonly Candidate[], weight = DEFAULT_TENANT_WEIGHT): Queue {
  return {
    candidates,
    nextIndex: 0,
    weight,
    amounts: noAmounts(),
    lastServedMs: Number.NEGATIVE_INFINITY,
    lastAsked: undefined,
  };
}

const noAmounts = (): Amounts => ({
  cpuMillis: 0,
  memoryBytes: 0,
  gpuCount: 0,
  attemptCount: 0,
});

function add(amounts: Amounts, { cpuMillis, memoryBytes, gpuCount }: Requirements): void {
  amounts.cpuMillis += cpuMillis;
  amounts.memoryBytes += memoryBytes;
  amounts.gpuCount += gpuCount;
  amounts.attemptCount += 1;
}
