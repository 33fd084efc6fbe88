/** A piece of a Markdown text, with the line it starts on. */
export interface Piece {
  readonly text: string;
  readonly line: number;
}

export interface MarkdownPieces {
  /** Code in sentences: what stands between single backticks. */
  readonly spans: readonly Piece[];
  /** Lines of fenced blocks. */
  readonly blockLines: readonly Piece[];
  /** Targets of links and images. */
  readonly links: readonly Piece[];
}

const FENCE = /^\s*(?:```|~~~)/;
const SPAN = /`([^`\n]+)`/g;
const LINK = /\]\(([^)\s]+)[^)]*\)/g;

/** The parts of a Markdown text that speak of code and files. */
export function parseMarkdown(text: string): MarkdownPieces {
  const spans: Piece[] = [];
  const blockLines: Piece[] = [];
  const links: Piece[] = [];
  let isInBlock = false;
  for (const [index, content] of text.split("\n").entries()) {
    const line = index + 1;
    if (FENCE.test(content)) {
      isInBlock = !isInBlock;
    } else if (isInBlock) {
      blockLines.push({ text: content, line });
    } else {
      spans.push(...captures(content, SPAN, line));
      links.push(...captures(content.replaceAll(SPAN, "``"), LINK, line));
    }
  }
  return { spans, blockLines, links };
}

function captures(text: string, pattern: RegExp, line: number): Piece[] {
  return [...text.matchAll(pattern)].map(([, captured = ""]) => ({ text: captured, line }));
}
