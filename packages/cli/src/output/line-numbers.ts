import type { LogPiece } from "@hodei/sdk";

const NEWLINE = 0x0a;
/** As `cat -n` writes them. */
const NUMBER_WIDTH = 6;

/** A piece of a log whose place among the lines of its attempt is known. */
export interface NumberedPiece extends LogPiece {
  /** Of its first byte; the first is 1. */
  readonly line: number;
  /** Whether a line begins with it. */
  readonly beginsLine: boolean;
}

/** Counts the lines of pieces that follow each other, and ends after the last one that is wanted. */
export class LineNumbers {
  readonly #last: number;
  #attempt = 0;
  #line = 1;
  #beginsLine = true;

  /** `last`: `undefined` for all. */
  constructor(last: number | undefined) {
    this.#last = last ?? Number.POSITIVE_INFINITY;
  }

  /** Whether every line that is wanted came. */
  get isOver(): boolean {
    return this.#line > this.#last;
  }

  /** `piece`, up to the end of the last line that is wanted. */
  take(piece: LogPiece): NumberedPiece {
    const { attempt, linesBefore } = piece;
    if (attempt !== this.#attempt || linesBefore !== undefined) {
      this.#attempt = attempt;
      this.#line = Number(linesBefore ?? 0n) + 1;
      this.#beginsLine = true;
    }
    const { data } = piece.chunk;
    const [line, beginsLine] = [this.#line, this.#beginsLine];
    let end = 0;
    while (end < data.length && !this.isOver) {
      const index = data.indexOf(NEWLINE, end);
      end = index < 0 ? data.length : index + 1;
      if (index >= 0) this.#line += 1;
    }
    if (end > 0) this.#beginsLine = data[end - 1] === NEWLINE;
    return { ...piece, chunk: { ...piece.chunk, data: data.subarray(0, end) }, line, beginsLine };
  }
}

/** Data of the piece with the number of each line before it. */
export function withNumbers({ chunk: { data }, line, beginsLine }: NumberedPiece): Uint8Array {
  const parts: Uint8Array[] = [];
  let number = line;
  for (let start = 0; start < data.length; number += 1) {
    if (start > 0 || beginsLine) {
      parts.push(Buffer.from(`${String(number).padStart(NUMBER_WIDTH)}\t`));
    }
    const index = data.indexOf(NEWLINE, start);
    const end = index < 0 ? data.length : index + 1;
    parts.push(data.subarray(start, end));
    start = end;
  }
  return Buffer.concat(parts);
}
