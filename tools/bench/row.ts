import type { Figure, Round } from "./result.ts";

export interface Row {
  /** What the command line calls it. */
  readonly name: string;
  /** What is measured and what it is compared with, in one line. */
  readonly about: string;
  readonly figures: readonly Figure[];
  /** Measures in under a minute. Resolves to the rounds of each figure, in the order of `figures`. */
  measure(signal: AbortSignal): Promise<readonly (readonly Round[])[]>;
}
