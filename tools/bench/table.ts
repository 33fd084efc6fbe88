import type { Figure, Result, Round } from "./result.ts";

const HEADINGS = ["figure", "measured", "baseline", "ratio", "target", "met"];

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
    case "value_at_least":
      return `≥ ${renderNumber(limit)} ${unit}`;
    case "added_at_most":
      return `≤ baseline + ${renderNumber(limit)} ${unit}`;
  }
}

function cells(result: Result): string[] {
  const { name, unit, value, baseline, ratio, met, rounds } = result;
  const spread = (pick: (round: Round) => number) => {
    const values = rounds.map(pick);
    return `(${renderNumber(Math.min(...values))}–${renderNumber(Math.max(...values))})`;
  };
  return [
    name,
    `${renderNumber(value)} ${unit} ${spread((round) => round.value)}`,
    `${renderNumber(baseline)} ${unit} ${spread((round) => round.baseline)}`,
    `${renderNumber(ratio)} ×`,
    renderTarget(result),
    met ? "yes" : `no${renderMiss(result)}`,
  ];
}

/** A ratio or a value says by itself how far it is off; what was added does not stand in the table. */
function renderMiss({ target, unit, value, baseline }: Result): string {
  return target.kind === "added_at_most" ? `: + ${renderNumber(value - baseline)} ${unit}` : "";
}

/** Three significant digits below a thousand, whole numbers with separators above. */
function renderNumber(value: number): string {
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(3)));
}

function renderRow(row: readonly string[], widths: readonly number[]): string {
  return `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
}
