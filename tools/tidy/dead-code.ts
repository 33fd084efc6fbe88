import { basename } from "node:path/posix";
import type { Finding, SourceFile } from "./source.ts";
import { resolveImport, type Workspaces } from "./workspace.ts";

/**
 * Files that nothing reaches, and exports that nothing imports.
 *
 * `entries` are files that something outside the sources starts or imports: their exports are for others.
 * So is a file whose name stands in a string of another one, such as a worker thread or a reporter. A type
 * may be exported because an exported function speaks of it: it counts as used when its file names it twice.
 */
export function checkDeadCode(
  sources: readonly SourceFile[],
  workspaces: Workspaces,
  entries: ReadonlySet<string>,
): Finding[] {
  const used = collectUsedNames(sources, workspaces);
  const started = new Set(sources.flatMap(namedFiles));
  return sources.flatMap((source) => {
    const { path } = source;
    if (isStartedByRunner(path) || entries.has(path) || started.has(basename(path))) return [];
    const names = used.get(path);
    if (names === undefined) return [{ path, line: 1, message: "nothing imports this file" }];
    if (names === "all") return [];
    return source.exports
      .filter(({ name, isType }) => !names.has(name) && !(isType && isNamedTwice(source, name)))
      .map(({ name, line }) => ({ path, line, message: `nothing imports ${name}` }));
  });
}

const isStartedByRunner = (path: string): boolean =>
  path.endsWith(".test.ts") && !path.endsWith("fixtures.test.ts");

/** By file, the names that other files import from it. */
function collectUsedNames(
  sources: readonly SourceFile[],
  workspaces: Workspaces,
): Map<string, Set<string> | "all"> {
  const used = new Map<string, Set<string> | "all">();
  for (const { path, imports } of sources) {
    for (const { specifier, names } of imports) {
      const target = resolveImport(workspaces, path, specifier);
      if (target === undefined) continue;
      const before = used.get(target);
      const isAll = before === "all" || names === "all";
      used.set(target, isAll ? "all" : new Set([...(before ?? []), ...names]));
    }
  }
  return used;
}

/** Names of files that stand in strings of the source, other than those it imports. */
function namedFiles({ path, text, imports }: SourceFile): string[] {
  // The tests of these rules name files that do not exist.
  if (path.startsWith("tools/tidy/")) return [];
  const imported = new Set(imports.map(({ specifier }) => basename(specifier)));
  const found = [...text.matchAll(/["'`/]([\w.-]+\.(?:ts|mjs))["'`]/g)].map(
    ([, name = ""]) => name,
  );
  return found.filter((name) => !imported.has(name));
}

function isNamedTwice({ code }: SourceFile, name: string): boolean {
  return (code.match(new RegExp(`\\b${name}\\b`, "g"))?.length ?? 0) > 1;
}
