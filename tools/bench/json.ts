import type { Machine } from "./machine.ts";
import type { Result } from "./result.ts";

/** The results for machines to read: `{machine, rows}`, one row for each figure. */
export function renderJson(machine: Machine, results: readonly Result[]): string {
  return `${JSON.stringify({ machine, rows: results }, undefined, 2)}\n`;
}
