/** Bytes that are looked at together. */
export const GRAM_BYTES = 3;
/** Slots for grams; where two share one, a skip is shorter, never longer. 64 KiB. */
const SLOT_COUNT = 65_536;
/** Knuth's multiplicative hash: 2³² divided by the golden ratio, of which the highest 16 bits are used. */
const HASH_FACTOR = 0x9e3779b1;
const HASH_SHIFT = 16;
/** Longer windows skip further, but put more grams into the slots; measured with 1 and 40 secrets. */
const MAX_WINDOW_BYTES = 16;
/** With less to skip than this, looking where to skip costs more than it saves. */
const MIN_WINDOW_BYTES = 5;
/** With more slots taken, too few looks lead to a skip. */
const MAX_USED_SLOTS = SLOT_COUNT / 8;

/**
 * How far no needle can begin: the shift table of Wu and Manber. A window of `windowBytes`, no more than the shortest
 * needle has, is judged by its last three bytes. Where those stand nowhere in the beginning of a needle, none of the
 * positions begins one at which they would be within its beginning.
 *
 * Source: Wu and Manber, "A fast algorithm for multi-pattern searching", University of Arizona TR-94-17, 1994.
 */
export interface SkipTable {
  readonly windowBytes: number;
  readonly shifts: Uint8Array;
}

/** `undefined` when the needles are too short or too many to skip anything. */
export function buildSkipTable(needles: readonly Uint8Array[]): SkipTable | undefined {
  const shortestBytes = needles.reduce((least, { length }) => Math.min(least, length), SLOT_COUNT);
  let windowBytes = Math.min(shortestBytes, MAX_WINDOW_BYTES);
  while (windowBytes >= MIN_WINDOW_BYTES) {
    const shifts = fillShifts(needles, windowBytes);
    if (shifts !== undefined) return { windowBytes, shifts };
    windowBytes = Math.floor(windowBytes / 2);
  }
  return undefined;
}

/** `undefined` when that takes too many slots. */
function fillShifts(needles: readonly Uint8Array[], windowBytes: number): Uint8Array | undefined {
  const longestShift = windowBytes - GRAM_BYTES + 1;
  const shifts = new Uint8Array(SLOT_COUNT).fill(longestShift);
  let usedCount = 0;
  for (const needle of needles) {
    for (let end = GRAM_BYTES; end <= windowBytes; end += 1) {
      const slot = slotAt(needle, end - 1);
      const shift = shifts[slot] as number;
      if (shift === longestShift) usedCount += 1;
      shifts[slot] = Math.min(shift, windowBytes - end);
    }
    if (usedCount > MAX_USED_SLOTS) return undefined;
  }
  return shifts;
}

/** The first position from `start` on at which a needle may begin, or at which too little is left to tell. */
export function skip(table: SkipTable, bytes: Uint8Array, start: number): number {
  const { shifts, windowBytes } = table;
  const { length } = bytes;
  let last = start + windowBytes - 1;
  while (last < length) {
    const shift = shifts[slotAt(bytes, last)] as number;
    if (shift === 0) break;
    last += shift;
  }
  return last - windowBytes + 1;
}

/** Slot of the gram whose last byte is at `last`. */
function slotAt(bytes: Uint8Array, last: number): number {
  const gram =
    ((bytes[last - 2] as number) << 16) |
    ((bytes[last - 1] as number) << 8) |
    (bytes[last] as number);
  return Math.imul(gram, HASH_FACTOR) >>> HASH_SHIFT;
}
