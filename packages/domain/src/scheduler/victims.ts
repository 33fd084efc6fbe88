import type { Requirements } from "../job-spec.ts";
import type { Capacity } from "../worker.ts";
import { add, type HeldAttempt, hasRoom, subtract } from "./host.ts";

/** Jobs that one job may take the place of at once; a job for which more would have to end waits. */
export const MAX_VICTIM_COUNT = 64;

/** Whether `a` is to keep its place rather than `b`: below 0. */
type Order = (a: HeldAttempt, b: HeldAttempt) => number;

/**
 * The attempts of `preemptible`, which are in the order `byWorth`, that are to end so that a job with `requirements` finds room
 * beside the others, where `room` is left. None of them could stay. Those of low priority end rather than those of higher, then
 * few rather than many, then those that have not run for long. `undefined`: there would be no room, or more than
 * `MAX_VICTIM_COUNT` would have to end.
 *
 * The fewest are not always found: that would take time that doubles with each attempt.
 */
export function chooseVictims(
  preemptible: readonly HeldAttempt[],
  requirements: Requirements,
  room: Capacity,
): readonly HeldAttempt[] | undefined {
  const emptied = preemptible.reduce((free, held) => add(free, held.requirements), room);
  if (!hasRoom(emptied, requirements)) return undefined;
  let best = leaveOut(preemptible, requirements, emptied);
  if (best.length > 1) {
    const ordered = preemptible.toSorted(bySize(requirements, room));
    const other = leaveOut(ordered, requirements, emptied);
    if (compareVictims(other, best) < 0) best = other;
  }
  return best.length <= MAX_VICTIM_COUNT ? best : undefined;
}

/**
 * Whether `a` is better given up than `b`, neither empty: below 0. The one whose highest priority is lower, of those the one with fewer
 * attempts, then the one of which the oldest has begun later.
 */
export function compareVictims(a: readonly HeldAttempt[], b: readonly HeldAttempt[]): number {
  return (
    highestPriority(a) - highestPriority(b) || a.length - b.length || firstBegan(b) - firstBegan(a)
  );
}

/** What has to end when each that can stays, in the order given. */
function leaveOut(
  ordered: readonly HeldAttempt[],
  requirements: Requirements,
  emptied: Capacity,
): readonly HeldAttempt[] {
  let free = emptied;
  return ordered.filter((held) => {
    const withIt = subtract(free, held.requirements);
    if (!hasRoom(withIt, requirements)) return true;
    free = withIt;
    return false;
  });
}

/** How much of what is lacking the attempt would free: the sum of its shares of each resource. */
function coveredShare(freed: Requirements, needed: Requirements, room: Capacity): number {
  const share = (amount: number, lacking: number) =>
    lacking <= 0 ? 0 : Math.min(1, amount / lacking);
  return (
    share(1, 1 - room.attemptCount) +
    share(freed.cpuMillis, needed.cpuMillis - room.cpuMillis) +
    share(freed.memoryBytes, needed.memoryBytes - room.memoryBytes) +
    share(freed.diskBytes, needed.diskBytes - room.diskBytes) +
    share(freed.gpuCount, needed.gpuCount - room.gpuCount)
  );
}

/**
 * The higher priority is worth more, and of one priority what has run for longer; ids decide between equals, so that the choice
 * is the same everywhere.
 */
export const byWorth: Order = (a, b) =>
  b.priority - a.priority || beganMs(a) - beganMs(b) || (a.jobId < b.jobId ? -1 : 1);

/** Of one priority what frees least stays rather than what frees more. */
function bySize(requirements: Requirements, room: Capacity): Order {
  const sizeOf = (held: HeldAttempt) => coveredShare(held.requirements, requirements, room);
  return (a, b) => b.priority - a.priority || sizeOf(a) - sizeOf(b) || byWorth(a, b);
}

/** What has not begun loses nothing: it counts as begun last of all. */
const beganMs = ({ startedAt }: HeldAttempt): number =>
  startedAt?.getTime() ?? Number.MAX_SAFE_INTEGER;

const firstBegan = (attempts: readonly HeldAttempt[]): number =>
  attempts.reduce((min, held) => Math.min(min, beganMs(held)), Number.MAX_SAFE_INTEGER);

const highestPriority = (attempts: readonly HeldAttempt[]): number =>
  attempts.reduce((max, { priority }) => Math.max(max, priority), Number.NEGATIVE_INFINITY);
