import type { FinishedRun, Violation } from "../history/finished-run.ts";
import type { NeedleScan } from "../history/needle-scan.ts";
import type { RunOutcome } from "../scene/run-scene.ts";
import { measureRecoveries } from "./recoveries.ts";

const MIB = 1024 * 1024;
/** Violations that are shown; the others are counted. */
const SHOWN_MAX = 40;

/** Figures of a run, a line each. */
export function renderFigures(run: FinishedRun, outcome: RunOutcome, scan: NeedleScan): string {
  const { jobs, attempts, logs, tails, events } = run;
  const streams = logs.flatMap(({ stdout, stderr }) => [stdout, stderr]);
  const bytes = streams.reduce((sum, stream) => sum + stream.bytes, 0);
  const missing = streams.flatMap(({ gaps }) => gaps).reduce((sum, gap) => sum + gap.bytes, 0);
  const rows: readonly (readonly [string, string])[] = [
    ["jobs", `${jobs.length} (${countBy(jobs, ({ state }) => state)})`],
    [
      "attempts",
      `${attempts.length} (${countBy(attempts, ({ reason }) => reason ?? "given back")})`,
    ],
    ["retried", `${jobs.filter(({ startedAttempts }) => startedAttempts > 1).length} jobs`],
    ["cancels asked for", String(outcome.clients.cancelCount)],
    ["events", String(events.length)],
    [
      "log",
      `${mib(bytes)}, of which ${mib(missing)} in ${streams.flatMap(({ gaps }) => gaps).length} gaps`,
    ],
    [
      "logs compared",
      `${logs.length} stored, ${tails.length} jobs followed live (${outcome.clients.brokenTailCount} broken off)`,
    ],
    ["looked through for secrets", mib(scan.scannedBytes)],
    ["faults", `${outcome.faults.length} (${countBy(outcome.faults, ({ kind }) => kind)})`],
    ...measureRecoveries(outcome.faults, events).map(({ kind, count, medianMs, maxMs }) => {
      const times = `${seconds(medianMs)} median, ${seconds(maxMs)} at most (${count})`;
      return [`next start after ${kind}`, times] as const;
    }),
    ["calm until the last end", seconds(outcome.calmMs)],
    ["most memory", run.memory.map(({ name, rssBytes }) => `${name} ${mib(rssBytes)}`).join(", ")],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n");
}

/** What was not kept, by promise, with the ids to look at. */
export function renderViolations(violations: readonly Violation[]): string {
  const shown = violations.slice(0, SHOWN_MAX);
  const lines = shown.map(
    ({ promise, message, jobId }) =>
      `  ${promise}: ${message}${jobId === null ? "" : ` [${jobId}]`}`,
  );
  const more = violations.length - shown.length;
  return [
    `${violations.length} violations:`,
    ...lines,
    ...(more > 0 ? [`  and ${more} more`] : []),
  ].join("\n");
}

function countBy<T>(items: readonly T[], nameOf: (item: T) => string): string {
  return [...Map.groupBy(items, nameOf)]
    .map(([name, found]) => [name, found.length] as const)
    .sort((a, b) => b[1] - a[1])
    .map(([name, count]) => `${count} ${name}`)
    .join(", ");
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

const mib = (bytes: number): string => `${(bytes / MIB).toFixed(bytes < 10 * MIB ? 1 : 0)} MiB`;
