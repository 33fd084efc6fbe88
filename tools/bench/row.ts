import type { Figure, Round } from "./result.ts";

/** What the command line may change. */
export interface Settings {
  /** Idle sessions to hold at once. */
  readonly sessionCount: number;
}

export interface Row {
  /** What the command line calls it. */
  readonly name: string;
  /** What is measured and what it is compared with, in one line. */
  readonly about: string;
  readonly figures: readonly Figure[];
  /** Measures in a minute or two. Resolves to the rounds of each figure, in the order of `figures`. */
  measure(signal: AbortSignal, settings: Settings): Promise<readonly (readonly Round[])[]>;
}
