import type { MemoryPeak } from "../history/finished-run.ts";
import { readRssBytes } from "./process-list.ts";

interface Watched {
  readonly name: string;
  /** 0 while it does not run. */
  readonly pid: number;
  readonly boundBytes: number;
}

const INTERVAL_MS = 500;

/** Looks at the memory of processes until it is stopped, and keeps the most that each had. */
export class MemoryWatch {
  readonly #watched: readonly Watched[];
  readonly #peaks = new Map<string, MemoryPeak>();
  readonly #timer: NodeJS.Timeout;

  constructor(watched: readonly Watched[]) {
    this.#watched = watched;
    this.#timer = setInterval(() => this.#look(), INTERVAL_MS);
  }

  get peaks(): readonly MemoryPeak[] {
    return [...this.#peaks.values()];
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    for (const { name, pid, boundBytes } of this.#watched) {
      const rssBytes = pid === 0 ? 0 : readRssBytes(pid);
      const before = this.#peaks.get(name)?.rssBytes ?? 0;
      if (rssBytes > before) this.#peaks.set(name, { name, rssBytes, boundBytes });
    }
  }
}
