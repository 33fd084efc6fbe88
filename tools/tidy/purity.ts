import { type Finding, findInCode, type SourceFile } from "./source.ts";

/** Code that decides: it gets time and chance from its caller, so that a test can give it any. */
const PURE = ["packages/domain/src/", "packages/server/src/application/"];

const IMPURE =
  /\bDate\.now\b|\bnew Date\(\s*\)|\bMath\.random\b|\bperformance\.now\b|\bset(?:Timeout|Interval|Immediate)\b|\brandom(?:UUID|Bytes|Int)\b|\bgetRandomValues\b/g;

/** Clocks, timers and randomness in code that must do without them. */
export function checkPurity(sources: readonly SourceFile[]): Finding[] {
  return sources
    .filter(({ path, isTest }) => !isTest && PURE.some((folder) => path.startsWith(folder)))
    .flatMap((source) =>
      findInCode(source, IMPURE, (match) => `${match}: take time and chance from a port`),
    );
}
