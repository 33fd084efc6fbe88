import type { JobId, WorkerId } from "../ids.ts";
import type { Board } from "./board.ts";
import type { Host } from "./host.ts";
import type { Candidate, PlanTerms, Preemption } from "./plan.ts";
import { type MadeRoom, Preemptions } from "./preemptions.ts";
import { byUrgency, dueSince } from "./urgency.ts";

/**
 * Jobs that a plan keeps a host for, in the order of the plan; those behind them get theirs when one of the first is placed. So
 * most of a cluster goes on with smaller jobs, and the first that waits for room always has its host.
 */
export const MAX_RESERVATION_COUNT = 8;

/** A job that gets the room that was made for it. */
export interface PromisedPlacement {
  readonly candidate: Candidate;
  readonly workerId: WorkerId;
}

/** What is done for a job that finds no room now. */
export interface RoomPromise {
  /** The host that is kept for it until room comes by itself; `undefined`: none. */
  readonly kept: Host | undefined;
  /** What is being given up for it; `null`: nothing. */
  readonly madeRoom: MadeRoom | null;
}

/** Sees to it that what finds no room finds some in a later turn: by others that end, or by a host that is kept for it. */
export class Promises {
  /** Jobs whose promise is kept in this turn; the board has them. */
  readonly placed: readonly PromisedPlacement[];
  /** Promises that are made in this turn, and what they are to cost. */
  readonly preemptions: Preemption[] = [];
  readonly #board: Board;
  readonly #terms: PlanTerms;
  /** `null`: nothing may end, and nothing is ending. */
  readonly #preemptions: Preemptions | null;
  readonly #coming = new Map<JobId, MadeRoom>();
  #reservationCount = 0;

  /** Gives jobs the room that others have made for them, and keeps what is still being made; the highest priority first. */
  constructor(candidates: readonly Candidate[], board: Board, terms: PlanTerms) {
    this.#board = board;
    this.#terms = terms;
    this.#preemptions = terms.preemption && new Preemptions(terms.preemption, terms.now);
    this.placed = candidates
      .filter(({ claimedWorkerId }) => claimedWorkerId !== null)
      .toSorted((a, b) => b.priority - a.priority || byUrgency(a, b))
      .flatMap((candidate) => this.#resume(candidate));
  }

  /** What is done for the job, which may start and found no room. */
  keepFor(candidate: Candidate): RoomPromise {
    const madeRoom = this.#coming.get(candidate.jobId) ?? this.#preempt(candidate);
    const kept = madeRoom === null ? this.#reserve(candidate) : undefined;
    return { kept, madeRoom };
  }

  #resume(candidate: Candidate): PromisedPlacement[] {
    const { limits } = this.#terms;
    // A limit that has come up meanwhile: it would keep a worker that it may not use.
    if (limits?.obstacle(candidate) !== undefined) return [];
    const promised = this.#preemptions?.resume(candidate, this.#board.hosts);
    if (promised === undefined) return [];
    const { workerId } = promised;
    if (promised.kind === "coming") {
      this.#board.keep(workerId, candidate);
      this.#coming.set(candidate.jobId, promised);
      return [];
    }
    this.#board.placeOn(workerId, candidate);
    limits?.take(candidate);
    return [{ candidate, workerId }];
  }

  #preempt(candidate: Candidate): MadeRoom | null {
    const found = this.#preemptions?.find(candidate, this.#board.hosts);
    if (found === undefined) return null;
    const { workerId, victimIds } = found;
    const { jobId, version } = candidate;
    this.#board.keep(workerId, candidate);
    this.preemptions.push({ jobId, version, workerId, victimIds });
    return found;
  }

  #reserve(candidate: Candidate): Host | undefined {
    if (this.#reservationCount >= MAX_RESERVATION_COUNT) return undefined;
    if (!hasWaited(candidate, this.#terms)) return undefined;
    const kept = this.#board.reserve(candidate);
    if (kept === undefined) return undefined;
    this.#reservationCount += 1;
    this.#preemptions?.keep(kept.workerId, candidate.requirements);
    return kept;
  }
}

function hasWaited(candidate: Candidate, { now, reserveAfterMs }: PlanTerms): boolean {
  if (reserveAfterMs === null) return false;
  return now.getTime() - dueSince(candidate).getTime() >= reserveAfterMs;
}
