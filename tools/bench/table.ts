import type { Figure, Result } from "./result.ts";

const HEADINGS = ["figure", "measured", "baseline", "ratio", "target", "met"];
const ABSENT = "–";

/**
 * The results as a Markdown table that also reads well in a terminal: medians, with the smallest and largest round in
 * parentheses.
 */
export function renderTable(results: readonly Result[]): string {
  const rows = [HEADINGS, ...results.map(cells)];
  const widths = HEADINGS.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const [head = "", ...body] = rows.map((row) => renderRow(row, widths));
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  return [head, rule, ...body].join("\n");
}

/** What the figure is to reach, in words. */
export function renderTarget({
  target: { kind, limit },
  unit,
}: Pick<Figure, "target" | "unit">): string {
  switch (kind) {
    case "ratio_at_least":
      return `≥ ${renderNumber(limit)} × baseline`;
    case "ratio_at_most":
      return `≤ ${renderNumber(limit)} × baseline`;
    case "value_at_least":
      return `≥ ${renderNumber(limit)} ${unit}`;
    case "value_at_most":
      return `≤ ${renderNumber(limit)} ${unit}`;
    case "added_at_most":
      return `≤ baseline + ${renderNumber(limit)} ${unit}`;
  }
}

function cells(result: Result): string[] {
  const { name, unit, value, baseline, ratio, met, rounds } = result;
  const values = rounds.map((round) => round.value);
  const baselines = rounds.flatMap((round) => round.baseline ?? []);
  return [
    name,
    `${renderNumber(value)} ${unit} ${renderSpread(values)}`,
    baseline === null ? ABSENT : `${renderNumber(baseline)} ${unit} ${renderSpread(baselines)}`,
    ratio === null ? ABSENT : `${renderNumber(ratio)} ×`,
    renderTarget(result),
    met ? "yes" : `no${renderMiss(result)}`,
  ];
}

const renderSpread = (values: readonly number[]): string =>
  `(${renderNumber(Math.min(...values))}–${renderNumber(Math.max(...values))})`;

/** A ratio or a value says by itself how far it is off; what was added does not stand in the table. */
function renderMiss({ target, unit, value, baseline }: Result): string {
  if (target.kind !== "added_at_most" || baseline === null) return "";
  return `: + ${renderNumber(value - baseline)} ${unit}`;
}

/** Three significant digits below a thousand, whole numbers with separators above. */
function renderNumber(value: number): string {
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(3)));
}

function renderRow(row: readonly string[], widths: readonly number[]): string {
  return `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
}
