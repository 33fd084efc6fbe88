import { invariant } from "@hodei/domain";
import { buildSkipTable, GRAM_BYTES, type SkipTable, skip } from "./skip-table.ts";

/** State before anything was read, and after anything that begins no needle. */
export const START = 0;

/** States with a row of their own, one entry for each byte: 1 MiB at most. Ordinary text hardly ever leaves them. */
const MAX_SHALLOW_COUNT = 1_024;
/** Lengths are kept in 16 bits. */
const MAX_NEEDLE_BYTES = 65_535;

/**
 * Finds all occurrences of all needles in one pass: an Aho-Corasick automaton in flat arrays, 13 bytes a state and about
 * one state for each byte of the needles.
 *
 * A state stands for the longest end of what was read that begins a needle. States are numbered breadth first, so the
 * children of one are neighbours: those of `s` are `firstChild[s]` up to `firstChild[s + 1]`. The first `shallowCount`
 * states are less deep than the shortest needle is long: none of them ends a match, which saves the look.
 *
 * Source: Aho and Corasick, "Efficient string matching", CACM 18(6), 1975.
 */
export interface Automaton {
  readonly shallowCount: number;
  /** Next state at `state << 8 | byte`, for shallow states. */
  readonly shallowNext: Uint32Array;
  readonly firstChild: Uint32Array;
  /** Byte that leads to the state. */
  readonly label: Uint8Array;
  /** State of the longest shorter end that begins a needle. */
  readonly fallback: Uint32Array;
  /** Length of the longest needle that ends here; 0: none. */
  readonly matchBytes: Uint16Array;
  /** Length of the longest end that may still become a match; 0: none. */
  readonly openBytes: Uint16Array;
  /** Number of the shallow states that are less than three bytes deep; they are the first. */
  readonly nearCount: number;
  readonly skips: SkipTable | undefined;
}

type Tables = Omit<Automaton, "skips">;

/** Takes what a scan finds: `end` grows from call to call. */
export interface MatchSink {
  add(start: number, end: number): void;
}

/** An automaton for `needles`, whose order and repeats do not matter. Each is 1 to 65,535 bytes long. */
export function buildAutomaton(needles: readonly Uint8Array[]): Automaton {
  const sorted = sortUnique(needles);
  let totalBytes = 0;
  let shortestBytes = MAX_NEEDLE_BYTES;
  for (const { length } of sorted) {
    invariant(length > 0 && length <= MAX_NEEDLE_BYTES, "a needle fits the tables");
    totalBytes += length;
    shortestBytes = Math.min(shortestBytes, length);
  }
  const tables = new Construction(sorted, totalBytes + 1, shortestBytes).run();
  return { ...tables, skips: buildSkipTable(sorted) };
}

/**
 * The state after `bytes`, read from `state` on. Matches go to `sink`, the longest one for each end, as positions counted
 * from `base` bytes before the first of `bytes`.
 *
 * In the start state it skips to where a needle may begin, and reads on from there byte by byte until nothing but the
 * last two bytes could still begin one. Without skips it reads all.
 */
// biome-ignore lint/complexity/noExcessiveCognitiveComplexity: a call for each byte would cost more than its work
export function scan(
  automaton: Automaton,
  from: { readonly state: number; readonly base: number },
  bytes: Uint8Array,
  sink: MatchSink,
): number {
  const { skips, shallowCount, shallowNext, matchBytes, openBytes, nearCount } = automaton;
  const { length } = bytes;
  let state = from.state;
  let index = 0;
  while (index < length) {
    if (skips !== undefined && state === START) index = skip(skips, bytes, index);
    // Where too little is left to skip, the rest is read to its end.
    const canLeave = skips !== undefined && index + skips.windowBytes <= length;
    const start = index;
    while (index < length) {
      const byte = bytes[index] as number;
      index += 1;
      if (state < shallowCount) {
        state = shallowNext[(state << 8) | byte] as number;
        if (state < nearCount && canLeave) {
          const open = openBytes[state] as number;
          if (index - open > start) {
            index -= open;
            state = START;
            break;
          }
        }
        if (state < shallowCount) continue;
      } else {
        state = nextState(automaton, state, byte);
      }
      const lengthBytes = matchBytes[state] as number;
      if (lengthBytes > 0) {
        const end = from.base + index;
        sink.add(end - lengthBytes, end);
      }
    }
  }
  return state;
}

/** Looks for a child from `state` upwards; steps back at most as often as earlier bytes led forward. */
function nextState(automaton: Tables, state: number, byte: number): number {
  const { shallowCount, shallowNext, firstChild, label, fallback } = automaton;
  let current = state;
  while (current >= shallowCount) {
    const end = firstChild[current + 1] as number;
    for (let child = firstChild[current] as number; child < end; child += 1) {
      if (label[child] === byte) return child;
    }
    current = fallback[current] as number;
  }
  return shallowNext[(current << 8) | byte] as number;
}

function sortUnique(needles: readonly Uint8Array[]): Uint8Array[] {
  const sorted = [...needles].sort(Buffer.compare);
  return sorted.filter((needle, index) => {
    const previous = sorted[index - 1];
    return previous === undefined || Buffer.compare(previous, needle) !== 0;
  });
}

/**
 * Builds level by level. A state is a range of the sorted needles, those that begin with what it stands for, so that its
 * children are found by splitting the range. Everything a state needs of shorter ends is known when its turn comes.
 */
class Construction implements Tables {
  shallowCount = 0;
  nearCount = 0;
  readonly shallowNext: Uint32Array;
  readonly firstChild: Uint32Array;
  readonly label: Uint8Array;
  readonly fallback: Uint32Array;
  readonly matchBytes: Uint16Array;
  readonly openBytes: Uint16Array;
  readonly #sorted: readonly Uint8Array[];
  readonly #shortestBytes: number;
  readonly #rangeStart: Uint32Array;
  readonly #rangeEnd: Uint32Array;
  #count = 1;

  constructor(sorted: readonly Uint8Array[], maxCount: number, shortestBytes: number) {
    this.#sorted = sorted;
    this.#shortestBytes = shortestBytes;
    this.#rangeStart = new Uint32Array(maxCount);
    this.#rangeEnd = new Uint32Array(maxCount);
    this.#rangeEnd[START] = sorted.length;
    this.shallowNext = new Uint32Array(Math.min(maxCount, MAX_SHALLOW_COUNT) << 8);
    this.firstChild = new Uint32Array(maxCount + 1);
    this.label = new Uint8Array(maxCount);
    this.fallback = new Uint32Array(maxCount);
    this.matchBytes = new Uint16Array(maxCount);
    this.openBytes = new Uint16Array(maxCount);
  }

  /** The tables, cut to the states that there are: needles that begin alike share them. */
  run(): Tables {
    let depth = 0;
    let levelEnd = 1;
    for (let state = START; state < this.#count; state += 1) {
      if (state === levelEnd) {
        depth += 1;
        levelEnd = this.#count;
      }
      this.#expand(state, depth);
    }
    const count = this.#count;
    this.firstChild[count] = count;
    return {
      shallowCount: this.shallowCount,
      nearCount: this.nearCount,
      shallowNext: this.shallowNext.slice(0, this.shallowCount << 8),
      firstChild: this.firstChild.slice(0, count + 1),
      label: this.label.slice(0, count),
      fallback: this.fallback.slice(0, count),
      matchBytes: this.matchBytes.slice(0, count),
      openBytes: this.openBytes.slice(0, count),
    };
  }

  #expand(state: number, depth: number): void {
    const fallback = this.fallback[state] as number;
    const end = this.#rangeEnd[state] as number;
    let index = this.#rangeStart[state] as number;
    // The one needle that ends here sorts before those that go on.
    const isMatch = depth > 0 && this.#sorted[index]?.length === depth;
    if (isMatch) index += 1;
    this.matchBytes[state] = isMatch ? depth : (this.matchBytes[fallback] as number);
    this.openBytes[state] = index < end ? depth : (this.openBytes[fallback] as number);
    this.firstChild[state] = this.#count;
    while (index < end) {
      const byte = this.#byteAt(index, depth);
      const child = this.#count;
      this.#count += 1;
      this.#rangeStart[child] = index;
      index += 1;
      while (index < end && this.#byteAt(index, depth) === byte) index += 1;
      this.#rangeEnd[child] = index;
      this.label[child] = byte;
      this.fallback[child] = state === START ? START : nextState(this, fallback, byte);
    }
    if (depth < this.#shortestBytes && state < MAX_SHALLOW_COUNT) {
      this.#fillRow(state, fallback);
      if (depth < GRAM_BYTES) this.nearCount = state + 1;
    }
  }

  #byteAt(index: number, depth: number): number {
    return (this.#sorted[index] as Uint8Array)[depth] as number;
  }

  #fillRow(state: number, fallback: number): void {
    const row = state << 8;
    if (state !== START) {
      this.shallowNext.copyWithin(row, fallback << 8, (fallback + 1) << 8);
    }
    for (let child = this.firstChild[state] as number; child < this.#count; child += 1) {
      this.shallowNext[row | (this.label[child] as number)] = child;
    }
    this.shallowCount = state + 1;
  }
}
