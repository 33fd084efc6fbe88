import type { FileResult } from "./run-file.ts";

/** Most of a failed file's output that is shown; the end matters, so the beginning is left out. */
const OUTPUT_CHARS_MAX = 64 * 1024;

/** What is printed when a file ended: one line, and everything about it when it failed. */
export function renderFile(result: FileResult): string {
  const { path, durationMs, passedCount, failedCount, skippedCount } = result;
  const verdict = failedCount > 0 ? "FAILED " : "ok     ";
  const duration = `${(durationMs / 1000).toFixed(1)} s`.padStart(7);
  const counts = [`${passedCount} passed`];
  if (failedCount > 0) counts.push(`${failedCount} failed`);
  if (skippedCount > 0) counts.push(`${skippedCount} skipped`);
  const line = `${verdict}${duration}  ${path}: ${counts.join(", ")}`;
  if (failedCount === 0) return line;
  return [line, indent(tail(result.output)), ...result.faults.map((fault) => `  ${fault}`)].join(
    "\n",
  );
}

/**
 * What may be skipped: `any` on a person's machine, `none` where root can install everything, and `root` where tests that
 * only root can run say so, with this word, in their reason.
 */
export type AllowedSkips = "any" | "root" | "none";

export interface RunFacts {
  /** Suites without a test file. */
  readonly emptySuites: readonly string[];
  readonly skips: AllowedSkips;
}

/** Why the whole run has failed, one sentence each; empty when it passed. */
export function verdict(results: readonly FileResult[], facts: RunFacts): string[] {
  const problems = facts.emptySuites.map((name) => `Suite "${name}" has no test files.`);
  if (results.length === 0) problems.push("No test file matches.");
  for (const { path, failedCount } of results) {
    if (failedCount > 0) problems.push(`${path} failed.`);
  }
  if (results.some((result) => hasForbiddenSkip(result, facts.skips))) {
    problems.push("With CI=true nothing may be skipped: install what the reasons above name.");
  }
  return problems;
}

function hasForbiddenSkip({ skippedCount, skipped }: FileResult, skips: AllowedSkips): boolean {
  if (skips !== "root") return skips === "none" && skippedCount > 0;
  return [...skipped.keys()].some((reason) => !/\broot\b/.test(reason));
}

/** The end of the report: why tests were skipped, why the run failed, and the closing line. */
export function renderEnd(results: readonly FileResult[], problems: readonly string[]): string {
  const passed = sum(results, "passedCount");
  const failed = sum(results, "failedCount");
  const skipped = sum(results, "skippedCount");
  return [
    ...section("Skipped:", skipLines(results)),
    ...section("Failed:", problems),
    "",
    `${passed} passed, ${failed} failed, ${skipped} skipped`,
  ].join("\n");
}

function sum(
  results: readonly FileResult[],
  count: "passedCount" | "failedCount" | "skippedCount",
): number {
  return results.reduce((total, result) => total + result[count], 0);
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ["", title, ...lines.map((line) => `  ${line}`)];
}

/** One line per reason: how often, why (which says how to enable it), and where. */
function skipLines(results: readonly FileResult[]): string[] {
  const byReason = new Map<string, { count: number; paths: string[] }>();
  for (const { path, skipped } of results) {
    for (const [reason, count] of skipped) {
      const entry = byReason.get(reason) ?? { count: 0, paths: [] };
      byReason.set(reason, { count: entry.count + count, paths: [...entry.paths, path] });
    }
  }
  return [...byReason].map(
    ([reason, { count, paths }]) => `${count} × ${reason} (${paths.join(", ")})`,
  );
}

function tail(output: string): string {
  const text = output.trimEnd();
  if (text.length <= OUTPUT_CHARS_MAX) return text;
  return `… ${text.length - OUTPUT_CHARS_MAX} characters left out …\n${text.slice(-OUTPUT_CHARS_MAX)}`;
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, "  ");
}
