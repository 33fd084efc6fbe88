import { median } from "./statistics.ts";

/** What a figure is to reach. The limit of a ratio is a plain number, every other one is in the figure's unit. */
export type Target =
  | { readonly kind: "ratio_at_least" | "ratio_at_most"; readonly limit: number }
  | { readonly kind: "value_at_least" | "value_at_most"; readonly limit: number }
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
  /** `null` where nothing bare does what is measured. */
  readonly baseline: number | null;
}

/** A figure as measured: medians over its rounds, and the rounds themselves. Field names are those of the JSON file. */
export interface Result extends Figure {
  readonly value: number;
  /** `null` unless every round has one. */
  readonly baseline: number | null;
  /** `value` divided by `baseline`. */
  readonly ratio: number | null;
  readonly met: boolean;
  readonly rounds: readonly Round[];
}

/** @throws RangeError without rounds, or if the target is relative to a baseline that was not measured */
export function toResult(figure: Figure, rounds: readonly Round[]): Result {
  const value = median(rounds.map((round) => round.value));
  const baselines = rounds.flatMap(({ baseline }) => baseline ?? []);
  const baseline = baselines.length === rounds.length ? median(baselines) : null;
  const ratio = baseline === null ? null : value / baseline;
  const met = isMet(figure, value, baseline);
  return { ...figure, value, baseline, ratio, met, rounds };
}

function isMet({ name, target }: Figure, value: number, baseline: number | null): boolean {
  const { kind, limit } = target;
  const compared = (): number => {
    if (baseline !== null) return baseline;
    throw new RangeError(`${name} has no baseline to be compared with`);
  };
  switch (kind) {
    case "value_at_least":
      return value >= limit;
    case "value_at_most":
      return value <= limit;
    case "ratio_at_least":
      return value / compared() >= limit;
    case "ratio_at_most":
      return value / compared() <= limit;
    case "added_at_most":
      return value - compared() <= limit;
  }
}
