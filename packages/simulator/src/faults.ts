import type { RandomStream } from "./random.ts";

/** Something that goes wrong at one moment, perhaps for a while. Who it strikes is drawn when it comes. */
export interface Fault {
  /** What it draws depends on this, and not on the other faults of its run. */
  readonly name: string;
  readonly atMs: number;
  readonly kind: FaultKind;
  /** How long it lasts, or until what it ended comes back. It is over when the active time is. */
  readonly durationMs: number;
}

/** Each kind with its weight and its longest duration. */
// biome-ignore format: a table reads better in columns
const FAULT_KINDS = {
  worker_crash:          { weight: 3, maxMs: 20_000 },
  worker_pause:          { weight: 3, maxMs: 30_000 },
  machine_death:         { weight: 2, maxMs: 0 },
  stream_reset:          { weight: 3, maxMs: 0 },
  stream_silence:        { weight: 3, maxMs: 0 },
  stream_stall:          { weight: 3, maxMs: 20_000 },
  replica_crash:         { weight: 4, maxMs: 30_000 },
  replica_stop:          { weight: 1, maxMs: 10_000 },
  replica_cut_off:       { weight: 3, maxMs: 25_000 },
  leader_change:         { weight: 2, maxMs: 0 },
  clock_jump:            { weight: 1, maxMs: 20_000 },
  database_down:         { weight: 3, maxMs: 25_000 },
  answers_lost:          { weight: 3, maxMs: 10_000 },
  notifications_lost:    { weight: 2, maxMs: 30_000 },
  transactions_repeated: { weight: 2, maxMs: 15_000 },
  provider_failure:      { weight: 2, maxMs: 0 },
  worker_drain:          { weight: 2, maxMs: 0 },
} as const satisfies Record<string, { readonly weight: number; readonly maxMs: number }>;

export type FaultKind = keyof typeof FAULT_KINDS;

/** Some of all kinds: those that a seed has come often enough to meet each other. */
export function pickFaultKinds(random: RandomStream): readonly FaultKind[] {
  return (Object.keys(FAULT_KINDS) as FaultKind[]).filter(() => random.chance(0.5));
}

export interface FaultPlan {
  /** None: no faults. */
  readonly kinds: readonly FaultKind[];
  readonly count: number;
  /** All are over by then. */
  readonly untilMs: number;
}

/** Faults of some kinds, in order. */
export function planFaults(
  random: RandomStream,
  { kinds, count, untilMs }: FaultPlan,
): readonly Fault[] {
  const bag = kinds.flatMap((kind) => Array<FaultKind>(FAULT_KINDS[kind].weight).fill(kind));
  const faults = Array.from({ length: count }, (_, index): Fault[] => {
    const own = random.split(String(index));
    const kind = own.pick(bag);
    if (kind === undefined) return [];
    const atMs = own.integer(1_000, untilMs - 1_000);
    const { maxMs } = FAULT_KINDS[kind];
    return [
      {
        name: String(index),
        kind,
        atMs,
        durationMs: Math.min(untilMs - atMs, own.integer(0, maxMs)),
      },
    ];
  });
  return faults.flat().toSorted((a, b) => a.atMs - b.atMs);
}
