import { invariant } from "@hodei/domain";

/** Messages that may wait for one reader; at the bound the queue ends, so that a stuck peer costs its session only. */
const MAX_QUEUED_COUNT = 10_000;

/** A queue with one reader, read by `for await`. What is queued when it ends is still read, except at the bound. */
export class MessageQueue<T> implements AsyncIterable<T> {
  #items: T[] = [];
  #ended = false;
  #wake: (() => void) | undefined;
  #read = false;

  /** Adds `item`; nothing happens once the queue has ended. */
  push(item: T): void {
    if (this.#ended) return;
    if (this.#items.length >= MAX_QUEUED_COUNT) {
      this.#items = [];
      this.end();
      return;
    }
    this.#items.push(item);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    invariant(!this.#read, "a message queue has one reader");
    this.#read = true;
    while (true) {
      const items = this.#items;
      this.#items = [];
      yield* items;
      if (this.#items.length > 0) continue;
      if (this.#ended) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}
