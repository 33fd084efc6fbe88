/**
 * `text` with every comment, string content, template text and regular expression turned into spaces.
 *
 * What remains is code, at the same offsets and lines, so a pattern that matches it means code and not a
 * word in a sentence or in a fixture. Quotes and the braces of `${}` stay. A regular expression is told
 * from a division by what stands before it, which is right for formatted code.
 */
export function mask(text: string): string {
  let masked = "";
  /** For each `${}` that is open, innermost last: how many braces are open inside it. */
  const depths: number[] = [];
  while (masked.length < text.length) {
    const at = masked.length;
    masked +=
      readTemplateText(text, at, depths) ??
      readString(text, at) ??
      readCommentOrRegExp(text, at, masked) ??
      readCode(text, at, depths);
  }
  return masked;
}

function readTemplateText(text: string, at: number, depths: number[]): string | undefined {
  const closesCode = text[at] === "}" && depths.at(-1) === 0;
  if (!closesCode && text[at] !== "`") return undefined;
  if (closesCode) depths.pop();
  const piece = text.slice(at, endOfTemplateText(text, at + 1));
  const opensCode = piece.endsWith("{");
  if (opensCode) depths.push(0);
  return blankInside(piece, opensCode ? 2 : 1);
}

function readCode(text: string, at: number, depths: number[]): string {
  const char = text.charAt(at);
  const depth = depths.pop();
  if (depth !== undefined) depths.push(depth + (char === "{" ? 1 : 0) - (char === "}" ? 1 : 0));
  return char;
}

function readString(text: string, at: number): string | undefined {
  const quote = text[at];
  if (quote !== '"' && quote !== "'") return undefined;
  return blankInside(text.slice(at, endOfQuoted(text, at, quote)), 1);
}

function readCommentOrRegExp(text: string, at: number, before: string): string | undefined {
  if (text.startsWith("//", at) || text.startsWith("#!", at)) {
    return blank(text.slice(at, endOf(text, "\n", at)));
  }
  if (text.startsWith("/*", at)) return blank(text.slice(at, endOf(text, "*/", at + 2) + 2));
  if (text[at] !== "/" || !startsRegExp(before.slice(-40))) return undefined;
  return blank(text.slice(at, endOfRegExp(text, at)));
}

const blank = (text: string): string => text.replaceAll(/[^\n]/g, " ");

/** The text with its first character and its last `tail` ones kept. */
function blankInside(text: string, tail: number): string {
  return (
    text.slice(0, 1) + blank(text.slice(1, -tail)) + text.slice(Math.max(1, text.length - tail))
  );
}

/** Offset of the next `mark`, or the end of the text. */
function endOf(text: string, mark: string, from: number): number {
  const at = text.indexOf(mark, from);
  return at === -1 ? text.length : at;
}

/** Offset after the closing quote. */
function endOfQuoted(text: string, start: number, quote: string): number {
  let at = start + 1;
  while (at < text.length && text[at] !== quote && text[at] !== "\n") {
    at += text[at] === "\\" ? 2 : 1;
  }
  return at + 1;
}

/** Offset after the closing backtick, or after the `${` that comes first. */
function endOfTemplateText(text: string, start: number): number {
  let at = start;
  while (at < text.length) {
    if (text[at] === "`") return at + 1;
    if (text.startsWith("${", at)) return at + 2;
    at += text[at] === "\\" ? 2 : 1;
  }
  return text.length;
}

/** Offset after the closing slash; a slash inside a class does not close. */
function endOfRegExp(text: string, start: number): number {
  let at = start + 1;
  let isInClass = false;
  while (at < text.length && text[at] !== "\n" && (isInClass || text[at] !== "/")) {
    if (text[at] === "[") isInClass = true;
    if (text[at] === "]") isInClass = false;
    at += text[at] === "\\" ? 2 : 1;
  }
  return at + 1;
}

/** True where an expression begins: after an operator, an opening bracket or a keyword, or at the start. */
function startsRegExp(before: string): boolean {
  return /(?:^|[([{,;:=!&|?+\-*%~^<>}]|\b(?:return|typeof|case|in|of|throw|await|yield))\s*$/.test(
    before,
  );
}
