import { median } from "./statistics.ts";

/** What a figure is to reach. The limit of a ratio is a plain number, every other one is in the figure's unit. */
export type Target =
  | { readonly kind: "ratio_at_least"; readonly limit: number }
  | { readonly kind: "value_at_least"; readonly limit: number }
  /** More than the baseline by at most `limit`. */
  | { readonly kind: "added_at_most"; readonly limit: number };

/** One number that a row measures. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly target: Target;
}

/** The figure and its baseline, measured one right after the other so that noise hits both. */
export interface Round {
  readonly value: number;
  readonly baseline: number;
}

/** A figure as measured: medians over its rounds, and the rounds themselves. Field names are those of the JSON file. */
export interface Result extends Figure {
  readonly value: number;
  readonly baseline: number;
  /** `value` divided by `baseline`. */
  readonly ratio: number;
  readonly met: boolean;
  readonly rounds: readonly Round[];
}

/** @throws RangeError without rounds */
export function toResult(figure: Figure, rounds: readonly Round[]): Result {
  const value = median(rounds.map((round) => round.value));
  const baseline = median(rounds.map((round) => round.baseline));
  const met = isMet(figure.target, value, baseline);
  return { ...figure, value, baseline, ratio: value / baseline, met, rounds };
}

function isMet({ kind, limit }: Target, value: number, baseline: number): boolean {
  switch (kind) {
    case "ratio_at_least":
      return value / baseline >= limit;
    case "value_at_least":
      return value >= limit;
    case "added_at_most":
      return value - baseline <= limit;
  }
}
