/** Something that is to happen at one instant. */
export interface Timer {
  readonly atMs: number;
  /** Tells timers of one instant apart: the one set first goes first. */
  readonly sequence: number;
  /** `undefined` once it was cancelled. */
  action: (() => void) | undefined;
}

/** Timers, the earliest first. A binary heap. */
export class EventQueue {
  readonly #heap: Timer[] = [];

  push(timer: Timer): void {
    const heap = this.#heap;
    let index = heap.push(timer) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#swapIfLater(parent, index)) break;
      index = parent;
    }
  }

  /** Takes out the earliest timer that was not cancelled. */
  pop(): Timer | undefined {
    for (;;) {
      const first = this.#heap[0];
      const last = this.#heap.pop();
      if (first === undefined || last === undefined) return undefined;
      if (first !== last) {
        this.#heap[0] = last;
        this.#sink();
      }
      if (first.action !== undefined) return first;
    }
  }

  #sink(): void {
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const right = left + 1;
      const child = this.#isLater(left, right) ? right : left;
      if (!this.#swapIfLater(index, child)) return;
      index = child;
    }
  }

  /** Swaps the two if both exist and the one at `a` is the later one. */
  #swapIfLater(a: number, b: number): boolean {
    if (!this.#isLater(a, b)) return false;
    const heap = this.#heap;
    [heap[a], heap[b]] = [heap[b] as Timer, heap[a] as Timer];
    return true;
  }

  #isLater(a: number, b: number): boolean {
    const one = this.#heap[a];
    const other = this.#heap[b];
    if (one === undefined || other === undefined) return false;
    return one.atMs > other.atMs || (one.atMs === other.atMs && one.sequence > other.sequence);
  }
}
