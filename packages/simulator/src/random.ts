import type { Random } from "@hodei/domain";

/**
 * Reproducible numbers. A stream is named by a path that begins with the seed; parts of a simulation draw from streams of
 * their own, so one that draws more or less than before does not shift what the others get.
 *
 * Generator: sfc32, seeded with four 32-bit FNV-1a hashes of the path. Source: PractRand 0.94 (C. Doty-Humphrey).
 */
export class RandomStream {
  readonly #path: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(path: string) {
    this.#path = path;
    this.#a = hash(`${path}#a`);
    this.#b = hash(`${path}#b`);
    this.#c = hash(`${path}#c`);
    for (let round = 0; round < WARM_UP_ROUNDS; round += 1) this.next();
  }

  /** The stream of one part. Depends on the names only, not on what was drawn. */
  split(name: string): RandomStream {
    return new RandomStream(`${this.#path}/${name}`);
  }

  /** In [0, 1). */
  readonly next: Random = () => {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };

  /** A whole number from `min` to `max`, both included. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1));
  }

  /** True in `probability` of all cases. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One of `items`; `undefined` if there is none. */
  pick<T>(items: readonly T[]): T | undefined {
    return items[this.integer(0, items.length - 1)];
  }
}

/** Before the state no longer shows how it was seeded. */
const WARM_UP_ROUNDS = 15;

/** FNV-1a, 32 bits. */
export function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return value >>> 0;
}
