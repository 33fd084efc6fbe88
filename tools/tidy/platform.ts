import { type Finding, findInCode, type SourceFile } from "./source.ts";

/**
 * Node.js 24.16 to 26.8: a combined signal follows its sources only while somebody listens to it. An abort that came at
 * another time is forgotten once its source is collected. Source: nodejs/node#65995.
 */
const COMBINED_SIGNAL = /\bAbortSignal\.any\b/g;

/** What Node.js offers and cannot be relied on. */
export function checkPlatform(sources: readonly SourceFile[]): Finding[] {
  return sources.flatMap((source) =>
    findInCode(
      source,
      COMBINED_SIGNAL,
      (match) => `${match} may forget an abort: abort a controller from a listener`,
    ),
  );
}
