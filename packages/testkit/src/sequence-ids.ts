import type { Ids } from "@hodei/domain";

/** Valid UUIDs in ascending order, the same in every run. Two sequences with different `series` never meet. */
export class SequenceIds implements Ids {
  readonly #prefix: string;
  #lastNumber = 0;

  /** `series`: 0 to 2^32 - 1. */
  constructor(series = 0) {
    this.#prefix = series.toString(16).padStart(8, "0");
  }

  next(): string {
    this.#lastNumber += 1;
    return `${this.#prefix}-0000-7000-8000-${this.#lastNumber.toString(16).padStart(12, "0")}`;
  }
}
