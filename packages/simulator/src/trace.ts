import { createHash } from "node:crypto";

/** One thing that happened. */
export interface TraceEntry {
  /** Virtual milliseconds since the start. */
  readonly atMs: number;
  /** Who did or saw it, such as `replica-1`. */
  readonly source: string;
  readonly text: string;
  /** Ids of the jobs and workers concerned; none: it concerns all. */
  readonly subjects: readonly string[];
}

/** Everything that happened in one run, in order. */
export class Trace {
  readonly #entries: TraceEntry[] = [];
  readonly #clock: { readonly elapsedMs: number };

  constructor(clock: { readonly elapsedMs: number }) {
    this.#clock = clock;
  }

  add(source: string, text: string, ...subjects: readonly string[]): void {
    this.#entries.push({ atMs: this.#clock.elapsedMs, source, text, subjects });
  }

  get entries(): readonly TraceEntry[] {
    return this.#entries;
  }

  /** Equal for two runs in which the same happened in the same order. */
  digest(): string {
    const sha = createHash("sha256");
    for (const entry of this.#entries) sha.update(`${formatEntry(entry)}\n`);
    return sha.digest("hex");
  }
}

/** One line; the time is in seconds. */
export function formatEntry({ atMs, source, text, subjects }: TraceEntry): string {
  const seconds = (atMs / 1000).toFixed(3).padStart(9);
  const about = subjects.length === 0 ? "" : ` [${subjects.join(" ")}]`;
  return `${seconds}  ${source.padEnd(12)} ${text}${about}`;
}
