/**
 * The characters that `value` fully determines in the base64 of any text that contains it, standard and URL alphabet:
 * one form for each of the three places within a group of three bytes where it may begin. Where it may be the end of the
 * text, further forms go on to the last character, and to its padding. What is left to see of the value then is a few bits
 * in the one character that it shares with its neighbour.
 *
 * Source: RFC 4648.
 */
export function base64Forms(value: Buffer): string[] {
  const standard = [0, 1, 2].flatMap((before) => formsAfter(value, before));
  return [...standard, ...standard.map(toUrlAlphabet)];
}

export const toUrlAlphabet = (base64: string): string =>
  base64.replaceAll("+", "-").replaceAll("/", "_");

/**
 * Pieces of the same characters that show where base64 is printed in lines: the lines are a multiple of four long, so
 * that whatever stands before the value, each begins and ends with a group of four. A piece begins with every group.
 * What is left to see are fewer than twelve characters on the first and on the last line.
 */
export function base64Pieces(value: Buffer): string[] {
  const standard = [0, 1, 2].flatMap((before) => {
    const [determined = ""] = formsAfter(value, before);
    const pieces: string[] = [];
    let at = before === 0 ? 0 : GROUP_CHARS - Math.ceil((before * 8) / 6);
    for (; at + PIECE_CHARS <= determined.length; at += GROUP_CHARS) {
      pieces.push(determined.slice(at, at + PIECE_CHARS));
    }
    return pieces;
  });
  return [...standard, ...standard.map(toUrlAlphabet)];
}

const GROUP_CHARS = 4;
const PIECE_CHARS = 3 * GROUP_CHARS;

/** The longest comes last. `before`: how many bytes of the first group belong to what comes before. */
function formsAfter(value: Buffer, before: number): string[] {
  const padded = Buffer.concat([Buffer.alloc(before), value]).toString("base64");
  // A character holds six bits: those that hold a bit of `before`, or of what follows, are not determined.
  const start = Math.ceil((before * 8) / 6);
  const end = Math.floor(((before + value.length) * 8) / 6);
  return [padded.slice(start, end), padded.slice(start).replace(/=+$/, ""), padded.slice(start)];
}
