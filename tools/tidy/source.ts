import { mask } from "./mask.ts";

/** Something a rule objects to. */
export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

export interface Import {
  readonly specifier: string;
  /** Names as the imported file exports them; `all` when they cannot be told, as in `import * as x`. */
  readonly names: readonly string[] | "all";
  readonly line: number;
}

export interface Export {
  readonly name: string;
  readonly isType: boolean;
  readonly line: number;
}

/** One source file, read once for all rules. */
export interface SourceFile {
  /** From the checkout, with `/` between parts. */
  readonly path: string;
  readonly text: string;
  /** The text without comments and without the content of strings; see `mask`. */
  readonly code: string;
  /** True for tests and for what only tests use, in a package's `test` folder. */
  readonly isTest: boolean;
  /** Imports, re-exports and dynamic imports. */
  readonly imports: readonly Import[];
  readonly exports: readonly Export[];
}

const FROM = /\b(?:import|export)\b\s*(?:type\s+)?([\w$*{},\s]*?)\s*\bfrom\s*(["'])( *)\2/g;
const IMPORT_FOR_EFFECT = /\bimport\s*()(["'])( *)\2/g;
const DYNAMIC_IMPORT = /\bimport\s*\((\s*)(["'])( *)\2/g;
const DECLARED =
  /^export\s+(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(const|let|function|class|interface|type|enum)\b[\s*]*([\w$]+)/gm;
const EXPORT_LIST = /^export\s+(type\s+)?\{([^}]*)\}/gm;

/** Reads a file that is formatted as this repository formats it. */
export function parseSource(path: string, text: string): SourceFile {
  const code = mask(text);
  const lineAt = (offset: number) => text.slice(0, offset).split("\n").length;
  return {
    path,
    text,
    code,
    isTest: /\.test\.tsx?$|^packages\/[^/]+\/test\//.test(path),
    imports: parseImports(text, code, lineAt),
    exports: parseExports(code, lineAt),
  };
}

/** Every place in the code that matches `pattern`, which must be global. */
export function findInCode(
  { path, code }: SourceFile,
  pattern: RegExp,
  message: (match: string) => string,
): Finding[] {
  return [...code.matchAll(pattern)].map((match) => ({
    path,
    line: code.slice(0, match.index).split("\n").length,
    message: message(match[0]),
  }));
}

function parseImports(text: string, code: string, lineAt: (offset: number) => number): Import[] {
  return [FROM, IMPORT_FOR_EFFECT, DYNAMIC_IMPORT].flatMap((pattern) =>
    [...code.matchAll(pattern)].map((match) => {
      const [whole, clause = "", , blanks = ""] = match;
      // The masked text has blanks where the specifier stands, just before the closing quote.
      const end = match.index + whole.length - 1;
      return {
        specifier: text.slice(end - blanks.length, end),
        names: pattern === DYNAMIC_IMPORT ? "all" : importedNames(clause),
        line: lineAt(match.index),
      };
    }),
  );
}

function importedNames(clause: string): readonly string[] | "all" {
  if (clause.includes("*")) return "all";
  const [first = ""] = clause.split("{");
  const hasDefault = /[\w$]/.test(first);
  const names = listNames(clause.slice(first.length).replaceAll(/[{}]/g, "")).map(([name]) => name);
  return hasDefault ? ["default", ...names] : names;
}

/** The entries of `a, type b as c` as pairs of inner and outer name. */
function listNames(list: string): [inner: string, outer: string][] {
  return list
    .split(",")
    .map((entry) => entry.trim().replace(/^type\s+/, ""))
    .filter((entry) => entry !== "")
    .map((entry) => {
      const [inner = "", outer = inner] = entry.split(/\s+as\s+/);
      return [inner, outer];
    });
}

function parseExports(code: string, lineAt: (offset: number) => number): Export[] {
  const declared = [...code.matchAll(DECLARED)].map(({ 1: kind, 2: name = "", index }) => ({
    name,
    isType: kind === "interface" || kind === "type",
    line: lineAt(index),
  }));
  const listed = [...code.matchAll(EXPORT_LIST)].flatMap(({ 1: type, 2: list = "", index }) =>
    listNames(list).map(([, name]) => ({ name, isType: type !== undefined, line: lineAt(index) })),
  );
  return [...declared, ...listed];
}
