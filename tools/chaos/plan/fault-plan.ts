import type { RandomStream } from "@hodei/simulator";

/** What is done to one part of the system. */
export type FaultKind =
  | "worker-kill"
  | "worker-stop"
  | "server-kill"
  | "server-stop"
  | "database-restart"
  | "database-kill"
  | "backends-kill"
  | LinkFaultKind;

/** What is done to the network between two parts; `Link` of the testkit says how. */
export type LinkFaultKind =
  | "link-cut"
  | "link-refuse"
  | "link-stall"
  | "link-swallow"
  | "link-trickle";

export interface Fault {
  readonly atMs: number;
  readonly kind: FaultKind;
  /** Name of a process or a link, such as `worker-1`. */
  readonly target: string;
  /** Until it is healed; a process that was killed is started again then. */
  readonly durationMs: number;
}

/** A kind of fault, whom it may hit, how often relative to the others, and how long it lasts. */
export interface FaultChoice {
  readonly kind: FaultKind;
  readonly targets: readonly string[];
  readonly weight: number;
  readonly minMs: number;
  readonly maxMs: number;
}

export interface FaultSchedule {
  readonly choices: readonly FaultChoice[];
  /** Faults begin within this time; the first after a moment of peace. */
  readonly durationMs: number;
  /** Mean of the time between two. */
  readonly intervalMs: number;
}

/** Before the first fault, so that something is under way. */
const PEACE_MS = 3_000;
/** No fault lasts longer than this share of the run, so that short runs have some of each, too. */
const LONGEST_SHARE = 1 / 4;

/** Faults in the order of their beginnings. One target has one fault at a time. */
export function drawFaults(random: RandomStream, schedule: FaultSchedule): readonly Fault[] {
  const { choices, durationMs, intervalMs } = schedule;
  const faults: Fault[] = [];
  const busyUntilMs = new Map<string, number>();
  for (let atMs = Math.min(PEACE_MS, durationMs / 4); atMs < durationMs; ) {
    const { kind, targets, minMs, maxMs } = pickWeighted(random, choices);
    const target = random.pick(targets) ?? "";
    const lengthMs = random.integer(
      minMs,
      Math.max(minMs, Math.min(maxMs, durationMs * LONGEST_SHARE)),
    );
    if ((busyUntilMs.get(target) ?? 0) <= atMs) {
      faults.push({ atMs, kind, target, durationMs: lengthMs });
      busyUntilMs.set(target, atMs + lengthMs + 1);
    }
    atMs += random.integer(Math.ceil(intervalMs / 2), Math.ceil(intervalMs * 1.5));
  }
  return faults;
}

/** One of `choices`, each as likely as its weight says. */
export function pickWeighted<T extends { readonly weight: number }>(
  random: RandomStream,
  choices: readonly T[],
): T {
  const total = choices.reduce((sum, { weight }) => sum + weight, 0);
  let left = random.next() * total;
  const found = choices.find(({ weight }) => {
    left -= weight;
    return left < 0;
  });
  const choice = found ?? choices.at(-1);
  if (choice === undefined) throw new Error("there is nothing to choose from");
  return choice;
}
