import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";

/** Content by path relative to `directory`, with `/` between parts. An absent directory has no files. */
export async function readTree(directory: string): Promise<Map<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    },
  );
  const files = entries.filter((entry) => entry.isFile());
  const contents = files.map(async ({ parentPath, name }): Promise<[string, string]> => {
    const path = join(parentPath, name);
    return [relative(directory, path).replaceAll("\\", "/"), await readFile(path, "utf8")];
  });
  return new Map(await Promise.all(contents));
}

/** Paths that are missing, changed or left over in `found`, each with the word for it; sorted. */
export function compareTrees(
  wanted: ReadonlyMap<string, string>,
  found: ReadonlyMap<string, string>,
): string[] {
  const paths = [...new Set([...wanted.keys(), ...found.keys()])].sort();
  return paths.flatMap((path) => {
    if (!found.has(path)) return [`missing: ${path}`];
    if (!wanted.has(path)) return [`left over: ${path}`];
    return wanted.get(path) === found.get(path) ? [] : [`stale: ${path}`];
  });
}
