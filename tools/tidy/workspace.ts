import { posix } from "node:path";

/** The part of a workspace's `package.json` that says how it is entered. */
export interface Manifest {
  readonly name: string;
  readonly exports?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly bin?: Readonly<Record<string, string>>;
}

/** Workspaces by folder, such as `packages/domain`. */
export type Workspaces = ReadonlyMap<string, Manifest>;

const SOURCE_CONDITION = "@hodei/source";

/**
 * Path of the file that `specifier` means in the file `from`; `undefined` when it is none of ours.
 *
 * A package of ours is found by its `exports` only, so a deep path into it is not found.
 */
export function resolveImport(
  workspaces: Workspaces,
  from: string,
  specifier: string,
): string | undefined {
  if (specifier.startsWith(".")) return posix.join(posix.dirname(from), specifier);
  for (const [folder, { name, exports = {} }] of workspaces) {
    if (specifier !== name && !specifier.startsWith(`${name}/`)) continue;
    const wanted = `.${specifier.slice(name.length)}`;
    for (const [pattern, { [SOURCE_CONDITION]: target }] of Object.entries(exports)) {
      const star = matchStar(pattern, wanted);
      if (star !== undefined && target !== undefined) {
        return posix.join(folder, target.replace("*", star));
      }
    }
  }
  return undefined;
}

/** Files by which a workspace is entered: targets of `exports` without a star, and commands. */
export function entryPoints(workspaces: Workspaces): Set<string> {
  const entries = [...workspaces].flatMap(([folder, { exports = {}, bin = {} }]) => {
    const sources = Object.values(exports).map((target) => target[SOURCE_CONDITION] ?? "");
    return [...sources, ...Object.values(bin)].map((path) => posix.join(folder, path));
  });
  return new Set(entries);
}

/** What the star of `pattern` stands for in `text`; empty when they are equal and there is no star. */
function matchStar(pattern: string, text: string): string | undefined {
  const [before = "", after] = pattern.split("*");
  if (after === undefined) return pattern === text ? "" : undefined;
  const matches = text.startsWith(before) && text.endsWith(after);
  return matches && text.length > before.length + after.length
    ? text.slice(before.length, text.length - after.length)
    : undefined;
}
