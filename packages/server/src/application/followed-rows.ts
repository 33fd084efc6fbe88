export interface FollowedRowsOptions<Id extends string, Row> {
  /** All are read again after this. */
  readonly intervalMs: number;
  /** Changed rows beyond which all are read. */
  readonly changedMax: number;
  readonly idOf: (row: Row) => Id;
  /** Differs between two versions of a row, as far as anybody cares. */
  readonly versionOf: (row: Row) => string;
  readonly readAll: () => Promise<readonly Row[]>;
  /** Those of the ids that `readAll` would have. */
  readonly readSome: (ids: readonly Id[]) => Promise<readonly Row[]>;
  readonly onDrift: (count: number) => void;
}

/**
 * Rows of the database kept in memory: read whole at first and once in each interval, and in between only those of which an
 * event tells. So what is here may be old, as what was just read may be: a decision on it is stored only if it still holds.
 * What a whole reading finds otherwise than it was here, and no event tells of within another interval, is drift.
 */
export class FollowedRows<Id extends string, Row> {
  readonly #options: FollowedRowsOptions<Id, Row>;
  #rows = new Map<Id, Row>();
  /** May have changed since they were read. */
  readonly #changed = new Set<Id>();
  /** Are gone since the last reading began, which may have seen them. */
  readonly #gone = new Set<Id>();
  /** Of the last time that all were read; -∞: they have to be, and may differ. */
  #readAllAtMs = Number.NEGATIVE_INFINITY;
  /** What the last whole reading found otherwise. */
  #suspects = new Set<Id>();
  /** Settles when the latest reading has ended; one reads at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: FollowedRowsOptions<Id, Row>) {
    this.#options = options;
  }

  /** An event tells of this row. */
  note(id: Id): void {
    this.#suspects.delete(id);
    this.#gone.delete(id);
    this.#changed.add(id);
    if (this.#changed.size > this.#options.changedMax) this.forget();
  }

  /** An event tells that this row is gone. */
  drop(id: Id): void {
    this.#suspects.delete(id);
    this.#changed.delete(id);
    this.#rows.delete(id);
    this.#gone.add(id);
    if (this.#gone.size > this.#options.changedMax) this.forget();
  }

  /** Lets the next `read` read all again. */
  forget(): void {
    this.#readAllAtMs = Number.NEGATIVE_INFINITY;
    this.#changed.clear();
    this.#suspects.clear();
  }

  /** All rows, those that have changed as they are now. In no order. */
  read(now: Date): Promise<readonly Row[]> {
    return this.#next(async () => {
      if (this.#isOld(now)) await this.#readAll(now);
      else await this.#readChanged();
      return [...this.#rows.values()];
    });
  }

  /** Reads ahead what has changed, so that a `read` soon after need not; nothing while all has to be read. */
  catchUp(now: Date): Promise<void> {
    return this.#next(async () => {
      if (!this.#isOld(now)) await this.#readChanged();
    });
  }

  #next<Result>(work: () => Promise<Result>): Promise<Result> {
    const reading = this.#last.then(() => {
      this.#gone.clear();
      return work();
    });
    this.#last = reading.catch(() => this.forget()); // its caller is told
    return reading;
  }

  #isOld(now: Date): boolean {
    // Clocks may be set back.
    return Math.abs(now.getTime() - this.#readAllAtMs) >= this.#options.intervalMs;
  }

  async #readAll(now: Date): Promise<void> {
    const { idOf, readAll } = this.#options;
    const isComparable = Number.isFinite(this.#readAllAtMs);
    // Before the reading: what comes meanwhile is not lost.
    this.#readAllAtMs = now.getTime();
    const told = new Set(this.#changed);
    this.#changed.clear();
    const found = new Map((await readAll()).map((row) => [idOf(row), row]));
    for (const id of this.#gone) found.delete(id);
    this.#countDrift();
    if (isComparable && Number.isFinite(this.#readAllAtMs)) {
      const isTold = (id: Id) => told.has(id) || this.#changed.has(id);
      this.#suspects = new Set(this.#differences(found).filter((id) => !isTold(id)));
    }
    this.#rows = found;
  }

  /** Nobody has told of what is suspect since it was found. */
  #countDrift(): void {
    const count = this.#suspects.size;
    this.#suspects.clear();
    if (count > 0) this.#options.onDrift(count);
  }

  /** Ids of rows that differ from those in `found`, or that only one of the two has. */
  #differences(found: ReadonlyMap<Id, Row>): readonly Id[] {
    const { versionOf } = this.#options;
    const version = (row: Row | undefined) => (row === undefined ? undefined : versionOf(row));
    const ids = new Set([...this.#rows.keys(), ...found.keys()]);
    return [...ids].filter((id) => version(this.#rows.get(id)) !== version(found.get(id)));
  }

  async #readChanged(): Promise<void> {
    const { idOf, readSome } = this.#options;
    if (this.#changed.size === 0) return;
    const changed = [...this.#changed];
    this.#changed.clear();
    const rows = await readSome(changed);
    for (const id of changed) this.#rows.delete(id);
    for (const row of rows) if (!this.#gone.has(idOf(row))) this.#rows.set(idOf(row), row);
  }
}
