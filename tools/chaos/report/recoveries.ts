import type { EventRecord } from "../history/finished-run.ts";
import type { FaultKind } from "../plan/fault-plan.ts";
import type { PastFault } from "../scene/inject-faults.ts";

/** How long it took until the next job was started after faults of one kind. */
export interface Recovery {
  readonly kind: FaultKind;
  readonly count: number;
  readonly medianMs: number;
  readonly maxMs: number;
}

/** Faults after which the time counts from their end: before, nothing can be started. */
const COUNTS_FROM_HEALING: ReadonlySet<FaultKind> = new Set(["database-restart"]);
/** Faults that can stop the whole control plane. */
const OF_INTEREST: ReadonlySet<FaultKind> = new Set([
  "server-kill",
  "server-stop",
  "database-restart",
  "database-kill",
  "backends-kill",
]);

/** Recoveries by kind of fault. Jobs come all the time, so the wait for one is part of each figure. */
export function measureRecoveries(
  faults: readonly PastFault[],
  events: readonly EventRecord[],
): readonly Recovery[] {
  const starts = events
    .filter(({ type }) => type === "job.started")
    .map(({ at }) => at.getTime())
    .sort((a, b) => a - b);
  const found = faults.flatMap(({ kind, beganAt, healedAt }) => {
    if (!OF_INTEREST.has(kind)) return [];
    const from = (COUNTS_FROM_HEALING.has(kind) ? healedAt : beganAt).getTime();
    const next = starts.find((at) => at > from);
    return next === undefined ? [] : [{ kind, ms: next - from }];
  });
  return [...Map.groupBy(found, ({ kind }) => kind)].map(([kind, ofKind]) => {
    const times = ofKind.map(({ ms }) => ms).sort((a, b) => a - b);
    return {
      kind,
      count: times.length,
      medianMs: times[Math.floor(times.length / 2)] ?? 0,
      maxMs: times.at(-1) ?? 0,
    };
  });
}
