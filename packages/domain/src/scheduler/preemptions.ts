import type { JobId, TenantId, WorkerId } from "../ids.ts";
import type { Requirements } from "../job-spec.ts";
import { outranks } from "../preemption.ts";
import type { Capacity } from "../worker.ts";
import { KIND_FILTERS, passes, rejection, SIZE_FILTERS, STATE_FILTERS } from "./filters.ts";
import { add, type HeldAttempt, type Host, hasRoom, keepBack, subtract } from "./host.ts";
import type { Candidate } from "./plan.ts";
import { dueSince } from "./urgency.ts";
import { byWorth, chooseVictims, compareVictims } from "./victims.ts";

/**
 * Jobs for which one plan looks at every worker for others to end, in the order of the plan; jobs behind them come in a later
 * turn, when some of the first are placed. Jobs that ask for the same as one for which there was nothing do not count. One
 * such look takes about 10 ms when 1,000 workers are full with 16 preemptible jobs each.
 */
export const MAX_SEARCH_COUNT = 8;

export interface PreemptionTerms {
  /** Every attempt that is out. */
  readonly held: readonly HeldAttempt[];
  /** Workers, empty, that pools are making or may make. */
  readonly comingHosts: readonly Host[];
  /** How long after it is due a job waits for such a worker rather than take the place of others. */
  readonly comingWaitMs: number;
}

/** Jobs that end, or are to end, so that another one finds room. */
export interface MadeRoom {
  readonly workerId: WorkerId;
  readonly victimIds: readonly JobId[];
  /** Whether they have been asked to; else the plan is to. */
  readonly isAsked: boolean;
}

type Promised =
  | { readonly kind: "there"; readonly workerId: WorkerId }
  | ({ readonly kind: "coming" } & MadeRoom);

/**
 * Which attempts are to end so that jobs of higher priority find room, and for whom those that are ending make it.
 *
 * A job takes the place of jobs of its own tenant only: priorities of different tenants are not compared anywhere. What it
 * is promised is counted once: neither does it get it twice, nor another job at all.
 */
export class Preemptions {
  readonly #terms: PreemptionTerms;
  readonly #now: Date;
  readonly #ending: Map<WorkerId, HeldAttempt[]>;
  /** Those worth most first. */
  readonly #preemptible: Map<WorkerId, HeldAttempt[]>;
  /** Of what may be ended. */
  readonly #lowestPriorities = new Map<TenantId, number>();
  /** What jobs need for which room is being made there. */
  readonly #promised = new Map<WorkerId, Requirements[]>();
  /** What jobs need for which the worker is kept until room comes by itself. */
  readonly #kept = new Map<WorkerId, Requirements[]>();
  readonly #fruitless = new Set<string>();
  #searchCount = 0;

  constructor(terms: PreemptionTerms, now: Date) {
    this.#terms = terms;
    this.#now = now;
    const workerOf = ({ workerId }: HeldAttempt) => workerId;
    this.#ending = Map.groupBy(
      terms.held.filter(({ isEnding }) => isEnding),
      workerOf,
    );
    const preemptible = terms.held
      .filter((held) => held.isPreemptible && !held.isEnding)
      .toSorted(byWorth);
    this.#preemptible = Map.groupBy(preemptible, workerOf);
    for (const { tenantId, priority } of preemptible) {
      const lowest = this.#lowestPriorities.get(tenantId) ?? priority;
      this.#lowestPriorities.set(tenantId, Math.min(lowest, priority));
    }
  }

  /**
   * What became of the room that was promised to the job: it is there, or is still being made, of which it takes note.
   * `undefined`: nothing was promised, or it cannot be kept any more, as the worker is gone or lacks something else.
   */
  resume(candidate: Candidate, hosts: readonly Host[]): Promised | undefined {
    const { claimedWorkerId: workerId, jobId, requirements } = candidate;
    if (workerId === null) return undefined;
    const host = hosts.find((other) => other.workerId === workerId);
    if (host === undefined || !isUsable(host, candidate)) return undefined;
    if (!hasRoom(this.#roomOf(host), requirements)) return undefined;
    if (hasRoom(host.free, requirements)) return { kind: "there", workerId };
    const ending = this.#ending.get(workerId) ?? [];
    const victims = ending.filter(({ endingFor }) => endingFor === jobId);
    append(this.#promised, workerId, requirements);
    return { kind: "coming", workerId, victimIds: victims.map(idOf), isAsked: true };
  }

  /** `workerId` is kept for a job with `requirements`. */
  keep(workerId: WorkerId, requirements: Requirements): void {
    append(this.#kept, workerId, requirements);
  }

  /**
   * What is to end so that the job, which found no room, has some; takes note of it. On the worker where the least is lost, as
   * `compareVictims` has it. `undefined`: nothing can, or room will come without.
   */
  find(candidate: Candidate, hosts: readonly Host[]): MadeRoom | undefined {
    if (!this.#mayAsk(candidate)) return undefined;
    const key = searchKey(candidate);
    if (this.#fruitless.has(key) || this.#searchCount >= MAX_SEARCH_COUNT) return undefined;
    this.#searchCount += 1;
    const found = this.#search(candidate, hosts);
    if (found === undefined) {
      this.#fruitless.add(key);
      return undefined;
    }
    const { workerId, victims } = found;
    const left = this.#preemptible.get(workerId)?.filter((held) => !victims.includes(held));
    this.#preemptible.set(workerId, left ?? []);
    for (const victim of victims) append(this.#ending, workerId, victim);
    append(this.#promised, workerId, candidate.requirements);
    return { workerId, victimIds: victims.map(idOf), isAsked: false };
  }

  #mayAsk(candidate: Candidate): boolean {
    const lowest = this.#lowestPriorities.get(candidate.tenantId);
    if (lowest === undefined || !outranks(candidate.priority, lowest)) return false;
    const { comingHosts, comingWaitMs } = this.#terms;
    const waitedMs = this.#now.getTime() - dueSince(candidate).getTime();
    if (waitedMs >= comingWaitMs) return true;
    return comingHosts.every((host) => rejection(host, candidate) !== undefined);
  }

  #search(
    candidate: Candidate,
    hosts: readonly Host[],
  ): { readonly workerId: WorkerId; readonly victims: readonly HeldAttempt[] } | undefined {
    const { priority, tenantId, requirements } = candidate;
    let best: { readonly workerId: WorkerId; readonly victims: readonly HeldAttempt[] } | undefined;
    for (const host of hosts) {
      const { workerId } = host;
      const held = this.#preemptible.get(workerId) ?? [];
      if (held.length === 0 && !this.#ending.has(workerId)) continue;
      if (!isUsable(host, candidate)) continue;
      const room = this.#roomOf(host);
      if (hasRoom(room, requirements)) return undefined;
      const own = held.filter(
        (other) => other.tenantId === tenantId && outranks(priority, other.priority),
      );
      const victims = chooseVictims(own, requirements, room);
      if (victims === undefined) continue;
      if (best === undefined || compareVictims(victims, best.victims) < 0)
        best = { workerId, victims };
    }
    return best;
  }

  /** What will be free when all that is ending has ended, beside what is promised. */
  #roomOf({ workerId, free, before }: Host): Capacity {
    const ending = this.#ending.get(workerId) ?? [];
    const promised = this.#promised.get(workerId) ?? [];
    const kept = this.#kept.get(workerId) ?? [];
    const freed = ending.reduce(
      (room, { requirements }) => add(room, requirements),
      before?.reservations ?? free,
    );
    return kept.reduce(keepBack, promised.reduce(subtract, freed));
  }
}

const FILTERS_BUT_ROOM = [...KIND_FILTERS, ...SIZE_FILTERS, ...STATE_FILTERS];

const isUsable = (host: Host, candidate: Candidate): boolean =>
  passes(FILTERS_BUT_ROOM, host, candidate);

/** Of jobs for which the same may end. */
const searchKey = ({ tenantId, priority, requirements }: Candidate): string =>
  JSON.stringify([tenantId, priority, requirements]);

const idOf = ({ jobId }: HeldAttempt): JobId => jobId;

function append<Key, Item>(map: Map<Key, Item[]>, key: Key, item: Item): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [item]);
  else list.push(item);
}
