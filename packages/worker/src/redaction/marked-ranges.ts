import type { MatchSink } from "./automaton.ts";

/** Positions from `start` up to, but without, `end`. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** The union of matches as ranges in order, none of which touch. Matches have to come in the order of their ends. */
export class MarkedRanges implements MatchSink {
  readonly #ranges: Range[] = [];

  get ranges(): readonly Range[] {
    return this.#ranges;
  }

  add(start: number, end: number): void {
    let first = start;
    for (let last = this.#ranges.at(-1); last !== undefined; last = this.#ranges.at(-1)) {
      if (last.end < first) break;
      first = Math.min(first, last.start);
      this.#ranges.pop();
    }
    this.#ranges.push({ start: first, end });
  }

  /** Where the marked range ends that holds `position` or ends there; `position` itself when there is none. */
  endFrom(position: number): number {
    const found = this.#ranges.findLast(({ start }) => start <= position);
    return found === undefined ? position : Math.max(position, found.end);
  }
}
