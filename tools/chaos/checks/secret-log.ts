import type { LogDigest } from "../history/log-digest.ts";
import { type SecretValue, secretLines, streamOfLine } from "../program/encodings.ts";

const MASK = "***";

/** Compares the log of a job that printed `secrets` with what may be read of it, line by line. */
export function checkSecretLog(
  secrets: readonly SecretValue[],
  log: LogDigest,
  { isComplete }: { readonly isComplete: boolean },
): readonly string[] {
  return (["stdout", "stderr"] as const).flatMap((stream) => {
    const expected = secretLines(secrets).filter((_, index) => streamOfLine(index) === stream);
    // The last piece has no line end: what a job was about to write when it was ended.
    const shown = log[stream].text
      .split("\n")
      .slice(0, -1)
      .map((line) => `${line}\n`);
    const wrong = shown.findIndex((line, index) => {
      const { shown: whole } = expected[index] ?? { shown: "" };
      return whole === null ? !line.includes(MASK) : line !== whole;
    });
    if (wrong >= 0) {
      const wanted = expected[wrong]?.shown ?? `a line with ${MASK}`;
      // What is shown may be a secret; a report is no place for it.
      return [
        `shows ${JSON.stringify(shown[wrong]?.replace(/\[.*/s, "[…"))} in line ${wrong + 1} of ${stream}, not ${JSON.stringify(wanted)}`,
      ];
    }
    if (!isComplete || shown.length === expected.length) return [];
    return [`has ${shown.length} lines of ${stream}, and ${expected.length} were written`];
  });
}
