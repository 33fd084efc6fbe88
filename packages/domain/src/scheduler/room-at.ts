import type { Requirements } from "../job-spec.ts";
import { type Host, hasRoom, release } from "./host.ts";

/** An attempt on a host, and by when it has ended at the latest; `null`: it may run for ever. */
export interface Occupant {
  readonly requirements: Requirements;
  readonly endsBy: Date | null;
}

/** When `host` has room at the latest, as its attempts run into their time-outs; `null`: that cannot be said. */
export function roomAt(
  host: Host,
  requirements: Requirements,
  occupants: readonly Occupant[],
  now: Date,
): Date | null {
  let emptier = host;
  let at = now;
  if (hasRoom(emptier.free, requirements)) return at;
  const ends = occupants.flatMap(({ endsBy, ...rest }) =>
    endsBy === null ? [] : [{ endsBy, ...rest }],
  );
  for (const occupant of ends.toSorted((a, b) => a.endsBy.getTime() - b.endsBy.getTime())) {
    emptier = release(emptier, occupant.requirements);
    if (occupant.endsBy > at) at = occupant.endsBy;
    if (hasRoom(emptier.free, requirements)) return at;
  }
  return null;
}
