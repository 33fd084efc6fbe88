/** Rows of one table by key. */
export interface Rows<Row> {
  get(key: string): Row | undefined;
  set(key: string, row: Row): void;
  delete(key: string): void;
  /** In the order in which their keys were first stored. */
  values(): Iterable<Row>;
}

/** Changes to `base` that nobody else sees until `apply`. */
export class DraftRows<Row> implements Rows<Row> {
  readonly #base: Map<string, Row>;
  /** `undefined`: deleted. */
  readonly #changes = new Map<string, Row | undefined>();

  constructor(base: Map<string, Row>) {
    this.#base = base;
  }

  get(key: string): Row | undefined {
    return this.#changes.has(key) ? this.#changes.get(key) : this.#base.get(key);
  }

  set(key: string, row: Row): void {
    this.#changes.set(key, row);
  }

  delete(key: string): void {
    this.#changes.set(key, undefined);
  }

  *values(): Iterable<Row> {
    for (const key of this.#base.keys()) {
      const row = this.get(key);
      if (row !== undefined) yield row;
    }
    for (const [key, row] of this.#changes) {
      if (row !== undefined && !this.#base.has(key)) yield row;
    }
  }

  apply(): void {
    for (const [key, row] of this.#changes) {
      if (row === undefined) this.#base.delete(key);
      else this.#base.set(key, row);
    }
  }
}
