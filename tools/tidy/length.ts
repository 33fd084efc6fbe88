import type { Finding, SourceFile } from "./source.ts";

const LINES_MAX = 400;
const TEST_LINES_MAX = 800;

/** Files that are probably two things. */
export function checkLength(sources: readonly SourceFile[]): Finding[] {
  return sources.flatMap(({ path, text, isTest }) => {
    const lines = text.trimEnd().split("\n").length;
    const max = isTest ? TEST_LINES_MAX : LINES_MAX;
    if (lines <= max) return [];
    return [{ path, line: max, message: `${lines} lines; past ${max}, ask what two things it is` }];
  });
}
