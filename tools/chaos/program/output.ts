/** What a job writes. Only data, so that the checker can say every byte of it without the job. */
export type Content = "lines" | "blob" | "empty-lines" | "binary" | "numbers" | "secrets";

export type Stream = "stdout" | "stderr";

/** Which bytes a job writes to its two streams. */
export interface Writing {
  readonly content: Content;
  /** Other seeds, other bytes. */
  readonly seed: number;
  readonly stdoutBytes: number;
  readonly stderrBytes: number;
}

const BLOCK_BYTES = 4096;
const ALPHABET = Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
const NEWLINE = 10;

/** Bytes of one stream of a `writing`, from any place on; not of `secrets`, whose bytes depend on values. */
export class Output {
  readonly #writing: Writing;
  readonly #stream: Stream;
  #index = -1;
  #block: Buffer = Buffer.alloc(0);

  constructor(writing: Writing, stream: Stream) {
    this.#writing = writing;
    this.#stream = stream;
  }

  get lengthBytes(): number {
    return this.#stream === "stdout" ? this.#writing.stdoutBytes : this.#writing.stderrBytes;
  }

  /** Bytes `from` to `to`, cut at the end of the stream. */
  slice(from: number, to: number): Buffer {
    const end = Math.min(to, this.lengthBytes);
    if (this.#writing.content === "numbers") return numbersUpTo(end).subarray(from);
    const pieces: Buffer[] = [];
    for (let at = from; at < end; ) {
      const inBlock = at % BLOCK_BYTES;
      const stop = Math.min(BLOCK_BYTES, inBlock + end - at);
      pieces.push(Buffer.from(this.#blockAt(Math.floor(at / BLOCK_BYTES)).subarray(inBlock, stop)));
      at += stop - inBlock;
    }
    return Buffer.concat(pieces);
  }

  #blockAt(index: number): Buffer {
    if (index !== this.#index) {
      const salt = this.#stream === "stdout" ? 0x9e3779b9 : 0x7f4a7c15;
      this.#block = makeBlock(
        this.#writing.content,
        (this.#writing.seed ^ salt) + index * 0x85ebca6b,
      );
      this.#index = index;
    }
    return this.#block;
  }
}

/** Bytes that `seq 1 count` prints. */
export function numbersBytes(count: number): number {
  let bytes = 0;
  for (let digits = 1, first = 1; first <= count; digits += 1, first *= 10) {
    bytes += (digits + 1) * (Math.min(count, first * 10 - 1) - first + 1);
  }
  return bytes;
}

function numbersUpTo(bytes: number): Buffer {
  let text = "";
  for (let number = 1; text.length < bytes; number += 1) text += `${number}\n`;
  return Buffer.from(text.slice(0, bytes));
}

/** Xorshift, 32 bits. Source: G. Marsaglia, "Xorshift RNGs", 2003. */
function makeBlock(content: Content, seed: number): Buffer {
  if (content === "empty-lines") return Buffer.alloc(BLOCK_BYTES, NEWLINE);
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  let state = Math.imul(seed ^ (seed >>> 15), 0x2c1b3c6d) | 1;
  for (let at = 0; at < BLOCK_BYTES; at += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    block[at] = byteOf(content, state);
  }
  return block;
}

function byteOf(content: Content, word: number): number {
  if (content === "binary") return word & 0xff;
  if (content === "lines" && ((word >>> 8) & 63) === 0) return NEWLINE;
  return ALPHABET[word & 63] ?? 0;
}
