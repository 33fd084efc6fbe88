import type { Violation } from "./finished-run.ts";
import type { SimulationResult, SimulationStats } from "./run-simulation.ts";
import type { Shrunk } from "./shrink.ts";
import type { SeedReport } from "./task.ts";
import { formatEntry, type TraceEntry } from "./trace.ts";

/** Lines of a trace that are shown for one violation: the latest ones. */
const MAX_TRACE_LINES = 80;
/** Violations of one seed that are shown; the others are counted. */
const MAX_VIOLATIONS = 5;

/** What a seed broke, what happened around it, and how to see it again. */
export function renderViolations(seed: number, { violations, trace }: SimulationResult): string {
  const shown = violations.slice(0, MAX_VIOLATIONS);
  const more = violations.length - shown.length;
  const lines = [
    `seed ${seed} breaks ${violations.length} promises:`,
    ...shown.map(renderViolation),
  ];
  if (more > 0) lines.push(`  and ${more} more`);
  const subject = shown.find((violation) => violation.subject !== null)?.subject;
  const about = subject == null ? trace.entries : entriesAround(trace.entries, subject);
  lines.push("", subject == null ? "the end of the trace:" : `around ${subject}:`);
  if (about.length > MAX_TRACE_LINES) lines.push(`  (${about.length - MAX_TRACE_LINES} before)`);
  lines.push(...about.slice(-MAX_TRACE_LINES).map(formatEntry));
  lines.push("", `see all of it: npm run sim -- --seed ${seed} --trace`, "");
  return lines.join("\n");
}

/** The least that still breaks the promise, and how it does. */
export function renderShrunk(seed: number, { scenario, result }: Shrunk): string {
  const { faults, requests } = scenario;
  const at = (atMs: number) => `${(atMs / 1000).toFixed(3).padStart(9)}  `;
  return [
    `${faults.length} faults and ${requests.length} requests are enough:`,
    ...faults.map(({ atMs, kind, durationMs }) => `${at(atMs)}${kind} for ${durationMs} ms`),
    ...requests.map(({ atMs, name }) => `${at(atMs)}${name}`),
    "",
    renderViolations(seed, result),
  ].join("\n");
}

function renderViolation({ promise, message, subject }: Violation): string {
  return `  ${promise}: ${message}${subject === null ? "" : ` [${subject}]`}`;
}

/** Entries about `subject`, about the state of workers that had to do with it, and about everybody. */
function entriesAround(entries: readonly TraceEntry[], subject: string): TraceEntry[] {
  const about = entries.filter(({ subjects }) => subjects.includes(subject));
  const related = new Set(about.flatMap(({ subjects }) => subjects));
  return entries.filter(
    ({ subjects }) =>
      subjects.length === 0 ||
      subjects.includes(subject) ||
      (subjects.length === 1 && related.has(subjects[0] ?? "")),
  );
}

/** Figures of all runs so far. */
export class Totals {
  #seeds = 0;
  #failedSeeds: number[] = [];
  readonly #stats: Record<keyof SimulationStats, number> = {
    jobs: 0,
    attempts: 0,
    faults: 0,
    virtualMs: 0,
  };

  add({ seed, stats, violations }: SeedReport): void {
    this.#seeds += 1;
    if (violations !== null) this.#failedSeeds.push(seed);
    for (const name of Object.keys(stats) as (keyof SimulationStats)[]) {
      this.#stats[name] += stats[name];
    }
  }

  get isOk(): boolean {
    return this.#failedSeeds.length === 0;
  }

  render(realMs: number): string {
    const { jobs, attempts, faults, virtualMs } = this.#stats;
    const broken = this.isOk
      ? "none broke a promise"
      : `broken: ${this.#failedSeeds.toSorted((a, b) => a - b).join(" ")}`;
    const times = `${(virtualMs / 3_600_000).toFixed(1)} h of virtual time in ${(realMs / 1000).toFixed(1)} s`;
    return `${this.#seeds} seeds, ${broken}; ${jobs} jobs, ${attempts} attempts, ${faults} faults, ${times}\n`;
  }
}
