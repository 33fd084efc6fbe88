/** Messages that wait for the stream to take them, read by `for await`. The bound is the caller's: one answer a message. */
export class RequestQueue<T> implements AsyncIterable<T> {
  #items: T[] = [];
  #isEnded = false;
  #wake = (): void => {};

  push(...items: readonly T[]): void {
    this.#items.push(...items);
    this.#wake();
  }

  /** What is queued is still read. */
  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      const items = this.#items;
      this.#items = [];
      yield* items;
      if (this.#items.length > 0) continue;
      if (this.#isEnded) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
