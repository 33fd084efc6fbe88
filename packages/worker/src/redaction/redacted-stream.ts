import { invariant, MIN_MASKED_BYTES } from "@hodei/domain";
import { type Automaton, START, scan } from "./automaton.ts";
import { MarkedRanges, type Range } from "./marked-ranges.ts";

/** Stands for each run of masked bytes, however long it is. */
const MASK = Buffer.from("***");
const NOTHING = new Uint8Array(0);

/**
 * One stream of bytes with every byte masked that belongs to an occurrence of a needle, however it is cut into writes.
 *
 * What is written falls into three parts: released, then held back, then not yet read. Held back are the longest end
 * that begins a needle and can still become one, less what of it is masked already: fewer bytes than the longest needle
 * has. Only more bytes or the end of the stream release them, never time: who releases a half-read secret because its
 * second half is slow shows it.
 */
export class RedactedStream {
  #automaton: Automaton;
  #state: number = START;
  /** The last bytes that `#state` stands for as far as they may become a match. */
  #open: Uint8Array = NOTHING;
  /** Matches within `#open`. */
  #openRanges: readonly Range[] = [];
  /** How many bytes of `#open` were released: they are masked whatever follows. */
  #releasedBytes = 0;
  /** Whether the byte that was released last is masked, so that a run of masked bytes is one mask. */
  #endsMasked = false;

  constructor(automaton: Automaton) {
    this.#automaton = automaton;
  }

  /** How much is held back. */
  get heldBytes(): number {
    return this.#open.length - this.#releasedBytes;
  }

  /** What can be released now. May share memory with `bytes`. */
  write(bytes: Uint8Array): Uint8Array {
    if (bytes.length === 0) return NOTHING;
    const earlierBytes = this.#open.length;
    const marked = this.#openMarks();
    const from = { state: this.#state, base: earlierBytes };
    this.#state = scan(this.#automaton, from, bytes, marked);
    const text = earlierBytes === 0 ? bytes : Buffer.concat([this.#open, bytes]);
    const openStart = text.length - (this.#automaton.openBytes[this.#state] as number);
    // What is masked already needs no waiting.
    const releaseEnd = marked.endFrom(Math.max(this.#releasedBytes, openStart));
    const released = this.#release(text, marked.ranges, releaseEnd);
    // A copy, so that a few held bytes do not keep a whole read in memory.
    this.#open = new Uint8Array(text.subarray(openStart));
    this.#openRanges = marked.ranges
      .filter(({ end }) => end > releaseEnd)
      .map(({ start, end }) => ({ start: start - openStart, end: end - openStart }));
    this.#releasedBytes = releaseEnd - openStart;
    return released;
  }

  /**
   * The rest, for there is no more to come. It is the beginning of a needle, so it is masked unless it is shorter than
   * any secret: a process that is killed while it writes a secret leaves nearly all of it.
   */
  end(): Uint8Array {
    const marked = this.#openMarks();
    if (this.heldBytes >= MIN_MASKED_BYTES) marked.add(0, this.#open.length);
    const rest = this.#release(this.#open, marked.ranges, this.#open.length);
    this.#state = START;
    this.#open = NOTHING;
    this.#openRanges = [];
    this.#releasedBytes = 0;
    this.#endsMasked = false;
    return rest;
  }

  /** Goes on with an automaton for more needles: those of the one before must be among them. */
  use(automaton: Automaton): void {
    const marked = new MarkedRanges();
    this.#automaton = automaton;
    this.#state = scan(automaton, { state: START, base: 0 }, this.#open, marked);
    this.#openRanges = marked.ranges;
    invariant(
      automaton.openBytes[this.#state] === this.#open.length,
      "what began a needle still begins one",
    );
  }

  #openMarks(): MarkedRanges {
    const marked = new MarkedRanges();
    for (const { start, end } of this.#openRanges) marked.add(start, end);
    return marked;
  }

  /** `text` from what was released before up to `end`, with masks; no range goes beyond `end` without beginning there. */
  #release(text: Uint8Array, ranges: readonly Range[], end: number): Uint8Array {
    const pieces: Uint8Array[] = [];
    let position = this.#releasedBytes;
    for (const range of ranges) {
      if (range.end <= position) continue;
      if (range.start >= end) break;
      if (range.start > position) {
        pieces.push(text.subarray(position, range.start));
        this.#endsMasked = false;
      }
      if (!this.#endsMasked) pieces.push(MASK);
      this.#endsMasked = true;
      position = range.end;
    }
    if (position < end) {
      pieces.push(text.subarray(position, end));
      this.#endsMasked = false;
    }
    const [first = NOTHING, ...others] = pieces;
    return others.length === 0 ? first : Buffer.concat(pieces);
  }
}
