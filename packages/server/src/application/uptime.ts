/**
 * Since when this replica has been able to take back workers: it was up, and so was the database. What had to be done
 * before, and was not, may have failed for want of either.
 */
export class Uptime {
  #since: Date;
  #answeredAt: Date;

  constructor(startedAt: Date) {
    this.#since = startedAt;
    this.#answeredAt = startedAt;
  }

  get since(): Date {
    return this.#since;
  }

  /**
   * The database, asked every second or so, has answered. Between two answers counts the time in which nothing was under
   * way that was answered in the end: a slow database is not an absent one.
   */
  confirm(askedAt: Date, answeredAt: Date, absenceMs: number): void {
    if (askedAt.getTime() - this.#answeredAt.getTime() > absenceMs) this.#since = answeredAt;
    // A clock that was set back: nothing has been up since a time to come.
    else if (answeredAt < this.#since) this.#since = answeredAt;
    this.#answeredAt = answeredAt;
  }
}
