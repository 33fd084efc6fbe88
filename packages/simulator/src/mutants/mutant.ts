import type { FaultKind } from "../faults.ts";
import type { Wiring } from "../world.ts";

/** A way to break what replicas work on, and the promise whose checker has to notice. */
export interface Mutant {
  /** Says what is broken. */
  readonly name: string;
  readonly promise: string;
  /** Faults without which it may go unnoticed for long. */
  readonly provokedBy: readonly FaultKind[];
  /** How many of them in each seed. Default: 20. */
  readonly faultCount?: number;
  /** Called once for each run: what it counts begins anew. */
  readonly breakWiring: (wiring: Wiring) => Wiring;
}
