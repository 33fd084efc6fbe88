/**
 * The smallest of `values` that at least `share` of them do not exceed (nearest rank); `share` is in (0, 1].
 * @throws RangeError without values: nothing was measured
 */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.ceil(share * sorted.length) - 1];
  if (value === undefined) throw new RangeError("no percentile of nothing");
  return value;
}

/** The middle of `values`, or halfway between the two in the middle. @throws RangeError without values */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const above = sorted[sorted.length >> 1];
  const below = sorted[(sorted.length - 1) >> 1];
  if (above === undefined || below === undefined) throw new RangeError("no median of nothing");
  return (below + above) / 2;
}
