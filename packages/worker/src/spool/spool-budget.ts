/** The room that all attempts of a worker share, and what was left out for want of it. */
export class SpoolBudget {
  readonly #maxBytes: number;
  #usedBytes = 0;
  #droppedBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Log bytes that this worker process has left out because a spool was full. Only grows. */
  get droppedBytes(): number {
    return this.#droppedBytes;
  }

  /** Whether as much as `share` of the room is taken, 0 to 1. */
  isAt(share: number): boolean {
    return this.#usedBytes >= this.#maxBytes * share;
  }

  /** `bytes` more are taken, or less if it is negative. */
  count(bytes: number): void {
    this.#usedBytes += bytes;
  }

  countDropped(bytes: number): void {
    this.#droppedBytes += bytes;
  }
}
