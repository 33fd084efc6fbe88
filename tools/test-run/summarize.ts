import type { EventLine } from "./event-lines.ts";

/** How a test process ended. */
export type ProcessEnd =
  | { readonly kind: "exited"; readonly exitCode: number }
  | { readonly kind: "signalled"; readonly signal: string }
  | { readonly kind: "timed_out"; readonly timeoutMs: number };

export interface Summary {
  readonly passedCount: number;
  readonly failedCount: number;
  readonly skippedCount: number;
  /** Skipped tests and suites by reason. */
  readonly skipped: ReadonlyMap<string, number>;
  /** What went wrong outside the tests, one phrase each. Each counts in `failedCount`. */
  readonly faults: readonly string[];
}

/**
 * Counts the tests of a file and finds what its tests do not tell: a crash, a hang, no tests at all.
 *
 * Suites do not count, except one that is skipped whole, because its tests never show.
 */
export function summarize(lines: readonly EventLine[], end: ProcessEnd): Summary {
  const skipped = new Map<string, number>();
  const count = { passed: 0, failed: 0, skipped: 0 };
  for (const line of lines) {
    if (line.type === "started" || line.type === "finished") continue;
    if (line.type === "skipped") skipped.set(line.reason, (skipped.get(line.reason) ?? 0) + 1);
    else if (line.isSuite) continue;
    count[line.type] += 1;
  }
  const ran = count.passed + count.failed + count.skipped;
  const fault = findFault(lines, end, { ran, failed: count.failed });
  return {
    passedCount: count.passed,
    failedCount: count.failed + (fault === undefined ? 0 : 1),
    skippedCount: count.skipped,
    skipped,
    faults: fault === undefined ? [] : [fault],
  };
}

function findFault(
  lines: readonly EventLine[],
  end: ProcessEnd,
  { ran, failed }: { ran: number; failed: number },
): string | undefined {
  const started = lines.findLast((line) => line.type === "started");
  const where = started === undefined ? "before its first test" : `in or after "${started.name}"`;
  switch (end.kind) {
    case "timed_out":
      return `killed after ${end.timeoutMs / 1000} s, ${where}`;
    case "signalled":
      return `ended by ${end.signal}, ${where}`;
    case "exited":
      if (end.exitCode !== 0) {
        return failed > 0 ? undefined : `exit code ${end.exitCode} outside its tests, ${where}`;
      }
      if (ran === 0) return "it has no tests";
      return lines.at(-1)?.type === "finished" ? undefined : `ended before its tests did, ${where}`;
  }
}
