/**
 * The largest of a fixed number of scores, kept while single ones change: a tournament tree. A change costs in proportion
 * to the logarithm of their number. Among equals the first wins.
 */
export class BestOf {
  /** Node n has children 2n and 2n + 1; the scores are the leaves, from `#leafStart` on. */
  readonly #nodes: Float64Array;
  readonly #leafStart: number;

  constructor(count: number, scoreAt: (index: number) => number) {
    this.#leafStart = 2 ** Math.ceil(Math.log2(Math.max(1, count)));
    this.#nodes = new Float64Array(2 * this.#leafStart).fill(Number.NEGATIVE_INFINITY);
    for (let index = 0; index < count; index += 1) {
      this.#nodes[this.#leafStart + index] = scoreAt(index);
    }
    for (let node = this.#leafStart - 1; node > 0; node -= 1)
      this.#nodes[node] = this.#winner(node);
  }

  set(index: number, score: number): void {
    let node = this.#leafStart + index;
    this.#nodes[node] = score;
    for (node >>= 1; node > 0; node >>= 1) {
      const winner = this.#winner(node);
      if (this.#nodes[node] === winner) return;
      this.#nodes[node] = winner;
    }
  }

  /** Where the largest score is; -1 if all are negative infinity. */
  get index(): number {
    if (this.#nodes[1] === Number.NEGATIVE_INFINITY) return -1;
    let node = 1;
    while (node < this.#leafStart)
      node = this.#at(2 * node) === this.#at(node) ? 2 * node : 2 * node + 1;
    return node - this.#leafStart;
  }

  #winner(node: number): number {
    return Math.max(this.#at(2 * node), this.#at(2 * node + 1));
  }

  #at(node: number): number {
    return this.#nodes[node] ?? Number.NEGATIVE_INFINITY;
  }
}
