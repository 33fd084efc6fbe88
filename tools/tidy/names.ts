import { basename } from "node:path/posix";
import { type Finding, findInCode, type SourceFile } from "./source.ts";

/** Words that say nothing about a thing. */
const BANNED = new Set(["manager", "helper", "helpers", "util", "utils", "common", "impl"]);

/** Names given by a standard. */
const ALLOWED = new Set([
  "commonName", // RFC 5280, a part of a certificate's subject
]);

/** The equals sign tells the declaration of a type from its import. */
const DECLARATION =
  /\b(?:(?:const|let|function\*?|class|interface|enum)\s+[\w$]+|type\s+[\w$]+(?=\s*[=<]))/g;

/** Files and declarations with a banned word in their name, and interfaces that start with `I`. */
export function checkNames(sources: readonly SourceFile[]): Finding[] {
  return sources.flatMap((source) => [
    ...checkFileName(source.path),
    ...findInCode(source, DECLARATION, (match) => match).flatMap(({ message, ...place }) => {
      const problem = judge(message);
      return problem === undefined ? [] : [{ ...place, message: problem }];
    }),
  ]);
}

function checkFileName(path: string): Finding[] {
  const word = bannedWord(basename(path).replace(/\..*$/, ""));
  return word === undefined ? [] : [{ path, line: 1, message: `file name with "${word}"` }];
}

function judge(declaration: string): string | undefined {
  const [keyword, name = ""] = declaration.split(/\s+/);
  if (keyword === "interface" && /^I[A-Z][a-z]/.test(name)) return `interface ${name} needs no "I"`;
  const word = ALLOWED.has(name) ? undefined : bannedWord(name);
  return word === undefined ? undefined : `${name}: "${word}" says nothing`;
}

function bannedWord(name: string): string | undefined {
  const words = name.split(/[-_$\d]+|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/);
  return words.find((word) => BANNED.has(word.toLowerCase()));
}
